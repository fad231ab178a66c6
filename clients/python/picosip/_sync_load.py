"""The stream of ``Client.run_load``."""

from __future__ import annotations

from typing import Self

import grpc

from picosip import _channel
from picosip._sync_streams import Closable, Stream
from picosip.errors import from_rpc_error
from picosip.v1 import load_service_pb2 as pb


class Load(Closable[pb.LoadReport]):
    """The reports of one load, one by one, until it has ended. To be iterated by one thread.

    Closing it before ends the load at once, unless that is detached. A broken stream is not
    resumed.
    """

    def __init__(self, stream: Stream[pb.LoadServiceRunResponse]) -> None:
        self._stream = stream
        self._closed = False
        self.report = pb.LoadReport()
        """The latest one; when the iteration has ended, the last of all."""
        # The first response says that the load runs.
        self._first = self._receive()

    @classmethod
    def begin(
        cls,
        channel: grpc.Channel,
        request: pb.LoadServiceRunRequest,
        metadata: tuple[tuple[str, str], ...],
    ) -> Self:
        """Opens the stream."""
        call = channel.unary_stream(
            _channel.RUN_LOAD,
            request_serializer=pb.LoadServiceRunRequest.SerializeToString,
            response_deserializer=pb.LoadServiceRunResponse.FromString,
        )
        return cls(call(request, metadata=metadata))

    @property
    def name(self) -> str:
        """For ``stop_load``."""
        return self.report.name

    def __next__(self) -> pb.LoadReport:
        """Waits for the next report. Raises PicosipError when the stream breaks."""
        if self._first:
            self._first = False
        elif not self._receive():
            raise StopIteration
        return self.report

    def wait(self) -> pb.LoadReport:
        """Waits until the load has ended, and gives its last report."""
        for report in self:
            self.report = report
        return self.report

    def _receive(self) -> bool:
        try:
            self.report = next(self._stream).report
        except StopIteration:
            return False
        except grpc.RpcError as error:
            if self._closed:
                return False
            raise from_rpc_error(error) from error
        return True

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another thread."""
        self._closed = True
        self._stream.cancel()
