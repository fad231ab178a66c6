"""Keeps all that a server sends."""

from __future__ import annotations

import threading

import picosip
from picosip.v1 import admin_service_pb2 as admin_pb
from tests.support.server import PicosipServer


class Recording:
    """By a Trace stream, from its making to the end of the server. Unlike a capture of packets it
    needs no rights, and has what goes over TLS and WebSocket too; secrets are masked in it."""

    def __init__(self, server: PicosipServer) -> None:
        self._client = picosip.Client(server.grpc)
        self._trace = self._client.trace(include_raw=True)
        self._messages: list[bytes] = []
        self._thread = threading.Thread(target=self._read, name="recording", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for record in self._trace:
                if record.direction == admin_pb.TraceRecord.DIRECTION_SENT:
                    self._messages.append(record.message.raw)
        except picosip.Unavailable:
            # The server ends.
            pass

    def finish(self) -> list[bytes]:
        """The octets of each message, once the server has ended."""
        self._thread.join(20.0)
        assert not self._thread.is_alive(), "the trace goes on"
        assert self._trace.dropped == 0
        self._client.close()
        return self._messages
