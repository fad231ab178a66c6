"""A LoadService that reports what a test tells it to, in a real gRPC server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent import futures

import grpc

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    load_service_pb2 as load_pb,
    load_service_pb2_grpc as load_grpc,
    sip_pb2,
)
from picosip_server.cli_load.notation import duration

State = load_pb.LoadReport.State
NAME = "loads/test1"
START = 1_800_000_000


def histogram(*milliseconds: float, count: int = 100, hdr: str = "") -> load_pb.LoadHistogram:
    """One with these values at 50, 75, 90, 95, 99 and 99.9 per cent; the first is the least."""
    quantiles = zip((0.5, 0.75, 0.9, 0.95, 0.99, 0.999), milliseconds, strict=True)
    return load_pb.LoadHistogram(
        count=count,
        min=duration(milliseconds[0] / 1e3),
        mean=duration(milliseconds[0] / 1e3),
        max=duration(milliseconds[-1] / 1e3),
        quantiles=[
            load_pb.Quantile(quantile=quantile, value=duration(value / 1e3))
            for quantile, value in quantiles
        ],
        hdr=hdr,
    )


SETUP = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def report(
    at: float,
    started: int,
    *,
    state: State.ValueType = State.STATE_RUNNING,
    failed: int = 0,
    active: int = 0,
    setup: Sequence[float] = SETUP,
    target: float = 10.0,
) -> load_pb.LoadReport:
    """How a load goes ``at`` seconds from its start on."""
    succeeded = started - failed - active
    return load_pb.LoadReport(
        name=NAME,
        state=state,
        start_time={"seconds": START},
        end_time={"seconds": START + int(at)} if state == State.STATE_ENDED else None,
        elapsed=duration(at),
        started=started,
        succeeded=succeeded,
        failed=failed,
        active=active,
        peak_active=7,
        waiting=2,
        responses={200: succeeded, 486: failed} if failed else {200: succeeded},
        failures={"486": failed} if failed else {},
        retransmissions_sent=3,
        retransmissions_received=1,
        setup=histogram(*setup, count=started),
        post_dial_delay=histogram(*(value / 2 for value in setup), count=started),
        teardown=histogram(*(value / 4 for value in setup), count=succeeded),
        interval=load_pb.LoadInterval(
            length=duration(1.0),
            target_rate=target,
            start_rate=9.5,
            success_rate=9.0,
            failure_rate=0.5,
            setup=histogram(*setup, count=10),
        ),
    )


def whole(seconds: int = 3, rate: int = 10, **more: int) -> list[load_pb.LoadReport]:
    """A load of so many seconds, from start to end."""
    reports = [report(float(at), at * rate, active=2) for at in range(1, seconds + 1)]
    failed = more.get("failed", 0)
    reports.append(report(seconds + 0.5, seconds * rate, state=State.STATE_ENDED, failed=failed))
    return reports


class ScriptedLoads(load_grpc.LoadServiceServicer, admin_grpc.AdminServiceServicer):
    """Answers Run with ``reports``; where the last one has not ended, it waits for Stop, and
    reports then ``after_stop``."""

    def __init__(self, reports: Sequence[load_pb.LoadReport] = ()) -> None:
        self.reports = list(reports)
        self.after_stop: list[load_pb.LoadReport] = []
        self.failure: tuple[grpc.StatusCode, str] | None = None
        """How Run ends after the reports, rather than in peace."""
        self.requests: list[load_pb.LoadServiceRunRequest] = []
        self.stops: list[load_pb.LoadServiceStopRequest] = []
        self.stopped = threading.Event()
        self.left = threading.Event()
        """Set when the client has left the stream before its end."""
        self.listed: list[load_pb.LoadReport] = []

    def Run(
        self, request: load_pb.LoadServiceRunRequest, context: grpc.ServicerContext
    ) -> Iterator[load_pb.LoadServiceRunResponse]:
        """See the class."""
        self.requests.append(request)
        ended = False

        def left() -> None:
            if not ended:
                self.left.set()
                self.stopped.set()

        context.add_callback(left)
        for one in self.reports:
            yield load_pb.LoadServiceRunResponse(report=one)
        if self.failure is not None:
            context.abort(*self.failure)
        if self.reports and self.reports[-1].state != State.STATE_ENDED:
            self.stopped.wait(30.0)
        for one in self.after_stop:
            yield load_pb.LoadServiceRunResponse(report=one)
        ended = True

    def Stop(
        self, request: load_pb.LoadServiceStopRequest, context: grpc.ServicerContext
    ) -> load_pb.LoadServiceStopResponse:
        """Takes note of it."""
        self.stops.append(request)
        if request.name != NAME:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no load {request.name}")
        self.stopped.set()
        return load_pb.LoadServiceStopResponse(report=report(2.0, 20, state=State.STATE_ENDED))

    def List(
        self, request: load_pb.LoadServiceListRequest, context: grpc.ServicerContext
    ) -> load_pb.LoadServiceListResponse:
        """Those that the test put there."""
        return load_pb.LoadServiceListResponse(reports=self.listed)

    def GetServerInfo(
        self, request: admin_pb.GetServerInfoRequest, context: grpc.ServicerContext
    ) -> admin_pb.GetServerInfoResponse:
        """What the command asks first."""
        return admin_pb.GetServerInfoResponse(
            version="1.2.3",
            listeners=[
                sip_pb2.Endpoint(transport=sip_pb2.TRANSPORT_UDP, host="127.0.0.1", port=5060)
            ],
        )


class ScriptedServer:
    """Serves ``loads`` on a port of its own. A context manager."""

    def __init__(
        self, loads: ScriptedLoads, credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self.loads = loads
        self._server = grpc.server(
            futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)]
        )
        load_grpc.add_LoadServiceServicer_to_server(loads, self._server)
        admin_grpc.add_AdminServiceServicer_to_server(loads, self._server)
        port = (
            self._server.add_insecure_port("127.0.0.1:0")
            if credentials is None
            else self._server.add_secure_port("127.0.0.1:0", credentials)
        )
        self.target = f"127.0.0.1:{port}"

    def __enter__(self) -> ScriptedServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.loads.stopped.set()
        self._server.stop(None).wait()
