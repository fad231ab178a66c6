"""The stream of ``aio.Client.run_load``."""

from __future__ import annotations

from typing import Self

import grpc

from picosip import _channel
from picosip._aio_streams import Closable, Reader, Stream
from picosip.errors import from_rpc_error
from picosip.v1 import load_service_pb2 as pb


class Load(Closable[pb.LoadReport]):
    """The reports of one load, one by one, until it has ended.

    Closing it before ends the load at once, unless that is detached. A broken stream is not
    resumed.
    """

    def __init__(self, stream: Stream[pb.LoadServiceRunResponse]) -> None:
        self._reader = Reader(stream)
        self._begun = False
        self._first = False
        self.report = pb.LoadReport()
        """The latest one; when the iteration has ended, the last of all."""

    @classmethod
    def begin(
        cls,
        channel: grpc.aio.Channel,
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
        """For ``stop_load``; empty until the load runs."""
        return self.report.name

    async def _ready(self) -> Self:
        if not self._begun:
            # The first response says that the load runs.
            self._begun = self._first = await self._receive()
        return self

    async def __anext__(self) -> pb.LoadReport:
        """Waits for the next report. Raises PicosipError when the stream breaks."""
        if self._first:
            self._first = False
        elif not await self._receive():
            raise StopAsyncIteration
        return self.report

    async def wait(self) -> pb.LoadReport:
        """Waits until the load has ended, and gives its last report."""
        async for report in self:
            self.report = report
        return self.report

    async def _receive(self) -> bool:
        try:
            response = await self._reader.read()
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        if response is None:
            return False
        self.report = response.report
        return True

    def close(self) -> None:
        """Ends the stream, and an iteration that waits in another task."""
        self._reader.close()
