"""picoSIP without an application: calls answered and placed inside the engine (LoadService)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration

from benchmarks.apps.sessions import ANSWER, OFFER
from benchmarks.contenders.base import Calling, Contender, Done, Job, Role
from benchmarks.contenders.picosip import PicosipAnswering, Server
from benchmarks.figures import Spread
from benchmarks.process import Process
from picosip.v1 import (
    call_service_pb2 as call_pb,
    load_service_pb2 as load_pb,
    load_service_pb2_grpc as load_grpc,
    sip_pb2,
)


class EngineCalling(Calling):
    """Loads of a server, one for each job."""

    def __init__(self, server: Server, channel: grpc.Channel) -> None:
        self.server = server
        self._loads = load_grpc.LoadServiceStub(channel)
        self._outcome: queue.Queue[load_pb.LoadReport | grpc.RpcError] = queue.Queue()

    def processes(self) -> tuple[Process | None, Process | None]:
        """There is no application."""
        return self.server.process, None

    def resent(self) -> int:
        """As the server counts."""
        return self.server.resent()

    def begin(self, job: Job) -> None:
        """Runs it as a load."""
        threading.Thread(target=self._follow, args=(request_of(job),), daemon=True).start()

    def _follow(self, request: load_pb.LoadServiceRunRequest) -> None:
        report = load_pb.LoadReport()
        try:
            for response in self._loads.Run(request):
                report = response.report
        except grpc.RpcError as error:
            self._outcome.put(error)
        else:
            self._outcome.put(report)

    def done(self, patience: float) -> Done | None:
        """The last report of the load."""
        try:
            outcome = self._outcome.get(timeout=patience)
        except queue.Empty:
            return None
        if isinstance(outcome, grpc.RpcError):
            raise outcome
        return done_of(outcome)


def request_of(job: Job) -> load_pb.LoadServiceRunRequest:
    """A load of these calls."""
    hold = Duration()
    hold.FromNanoseconds(round(job.hold * 1e9))
    return load_pb.LoadServiceRunRequest(
        calls=load_pb.CallScript(
            invite=call_pb.InviteRequest(
                from_address=sip_pb2.Address(uri="sip:alice@127.0.0.1"),
                to_address=sip_pb2.Address(uri=job.uri),
                offer=OFFER,
            ),
            hold=load_pb.Distribution(constant=hold) if job.hold else None,
        ),
        profile=load_pb.LoadProfile(count=job.calls, constant=job.rate),
    )


def done_of(report: load_pb.LoadReport) -> Done:
    """What a load says of itself, in the words of all contenders."""
    return Done(
        succeeded=report.succeeded,
        failed=report.failed,
        elapsed=report.elapsed.ToNanoseconds() / 1e9,
        setup=spread_of(report.setup),
        why=", ".join(f"{number} {why}" for why, number in sorted(report.failures.items())),
    )


def spread_of(histogram: load_pb.LoadHistogram) -> Spread | None:
    """Its percentiles, in milliseconds."""
    if not histogram.count:
        return None
    at = {round(one.quantile, 4): one.value.ToNanoseconds() / 1e6 for one in histogram.quantiles}
    return Spread(
        count=histogram.count,
        p50=at[0.5],
        p90=at[0.9],
        p99=at[0.99],
        max=histogram.max.ToNanoseconds() / 1e6,
    )


def answer_all(server: Server) -> None:
    """Has a server answer every call inside its engine, with 180 and 200, from now on."""
    answers = load_pb.AnswerScript(ringing=True, answer=call_pb.AnswerRequest(description=ANSWER))
    with grpc.insecure_channel(server.grpc) as channel:
        reports = load_grpc.LoadServiceStub(channel).Run(
            load_pb.LoadServiceRunRequest(answers=answers, detached=True)
        )
        # The first report says that it answers.
        next(iter(reports))
        reports.cancel()


class EngineUas(Contender):
    """Calls are answered by a policy of the engine."""

    name = "picosip-engine-uas"
    title = "picoSIP, auto-answer"
    role = Role.UAS
    first = 1_000

    def missing(self) -> str:
        """Nothing: it is what is measured."""
        return ""

    @contextmanager
    def start(self, folder: Path) -> Iterator[PicosipAnswering]:
        """A server with an answering load that lasts as long as it does."""
        with Server(folder) as server:
            answer_all(server)
            yield PicosipAnswering(server, None)


class EngineUac(Contender):
    """Calls are placed by a load of the engine."""

    name = "picosip-engine-uac"
    title = "picoSIP, load"
    role = Role.UAC
    first = 1_000

    def missing(self) -> str:
        """Nothing: it is what is measured."""
        return ""

    @contextmanager
    def start(self, folder: Path) -> Iterator[EngineCalling]:
        """A server to which loads are given."""
        with Server(folder) as server, grpc.insecure_channel(server.grpc) as channel:
            yield EngineCalling(server, channel)
