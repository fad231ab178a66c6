"""One request_id, one outcome."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.message import Message

from picosip.v1 import call_service_pb2 as pb
from picosip_server.service.errors import ApiError
from picosip_server.service.idempotency import Idempotency, Outcome
from tests.service.virtual_time import run


class Worker:
    """Does work that can be counted, held up, and made to fail."""

    def __init__(self) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.tasks: list[asyncio.Task[None]] = []

    async def __call__(self) -> str:
        self.times += 1
        number = self.times
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return f"done {number}"


async def ask(
    kept: Idempotency, method: str, request_id: str, request: Message, work: Worker
) -> str:
    """What an RPC does: has the work done if need be, and waits for the outcome."""
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    if kept.join(method, request_id, request, done):
        # It goes on without whoever asked for it.
        work.tasks.append(asyncio.create_task(settle(kept, request_id, work)))
    outcome = await future
    if isinstance(outcome, Exception):
        raise outcome
    assert isinstance(outcome, pb.TransferResponse)
    return outcome.transfer


async def settle(kept: Idempotency, request_id: str, work: Worker) -> None:
    try:
        outcome: Outcome = pb.TransferResponse(transfer=await work())
    except Exception as error:
        outcome = error
    kept.settle(request_id, outcome)


def request(name: str = "calls/a") -> pb.HangupRequest:
    return pb.HangupRequest(request_id="id", name=name)


def failure(code: grpc.StatusCode) -> ApiError:
    return ApiError(code, "WHY", "because")


def test_a_retry_has_the_outcome_of_the_first() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        for _ in range(3):
            assert await ask(kept, "Hangup", "id", request(), work) == "done 1"
        assert work.times == 1

    run(main())


def test_an_id_belongs_to_one_method() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        await ask(kept, "Hangup", "id", request(), work)
        with pytest.raises(ApiError) as error:
            await ask(kept, "Reject", "id", request(), work)
        assert error.value.reason == "REQUEST_ID_REUSED"
        assert await ask(kept, "Hangup", "other", request(), work) == "done 2"

    run(main())


def test_another_content_is_refused() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        await ask(kept, "Hangup", "id", request("calls/a"), work)
        with pytest.raises(ApiError) as raised:
            await ask(kept, "Hangup", "id", request("calls/b"), work)
        assert raised.value.code is grpc.StatusCode.INVALID_ARGUMENT
        assert raised.value.reason == "REQUEST_ID_REUSED"
        assert work.times == 1

    run(main())


def test_the_order_of_labels_is_no_other_content() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        keys = [str(number) for number in range(20)]
        for order in (keys, keys[::-1]):
            labelled = pb.InviteRequest(labels={key: "" for key in order})
            assert await ask(kept, "Invite", "id", labelled, work) == "done 1"

    run(main())


def test_a_retry_joins_what_still_runs() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.gate.clear()
        both = [asyncio.create_task(ask(kept, "Hangup", "id", request(), work)) for _ in range(2)]
        await asyncio.sleep(1)
        work.gate.set()
        assert await asyncio.gather(*both) == ["done 1", "done 1"]
        assert work.times == 1

    run(main())


def test_a_cancelled_request_undoes_nothing() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.gate.clear()
        first = asyncio.create_task(ask(kept, "Hangup", "id", request(), work))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        work.gate.set()
        assert await ask(kept, "Hangup", "id", request(), work) == "done 1"

    run(main())


@pytest.mark.parametrize(
    ("code", "kept_for_good"),
    [
        (grpc.StatusCode.NOT_FOUND, True),
        (grpc.StatusCode.FAILED_PRECONDITION, True),
        (grpc.StatusCode.DEADLINE_EXCEEDED, True),
        (grpc.StatusCode.UNAVAILABLE, False),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False),
    ],
)
def test_failures_are_outcomes_too_but_for_those_of_the_moment(
    code: grpc.StatusCode, kept_for_good: bool
) -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.error = failure(code)
        with pytest.raises(ApiError):
            await ask(kept, "Hangup", "id", request(), work)
        work.error = None
        if kept_for_good:
            with pytest.raises(ApiError):
                await ask(kept, "Hangup", "id", request(), work)
        else:
            assert await ask(kept, "Hangup", "id", request(), work) == "done 2"

    run(main())


def test_a_fault_of_the_server_is_not_kept() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.error = RuntimeError("broken")
        with pytest.raises(RuntimeError):
            await ask(kept, "Hangup", "id", request(), work)
        assert len(kept) == 0

    run(main())


def test_outcomes_are_forgotten_when_they_are_old() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency(age=600.0)
        await ask(kept, "Hangup", "id", request(), work)
        await asyncio.sleep(599)
        assert await ask(kept, "Hangup", "id", request(), work) == "done 1"
        await asyncio.sleep(1)
        assert await ask(kept, "Hangup", "id", request(), work) == "done 2"

    run(main())


def test_the_oldest_outcomes_make_room_and_what_runs_is_kept() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency(most=2)
        slow = Worker()
        slow.gate.clear()
        first = asyncio.create_task(ask(kept, "Hangup", "slow", request(), slow))
        for name in ("a", "b", "c"):
            await ask(kept, "Hangup", name, request(), work)
        assert len(kept) == 3
        assert await ask(kept, "Hangup", "b", request(), work) == "done 2"
        assert await ask(kept, "Hangup", "a", request(), work) == "done 4"
        again = asyncio.create_task(ask(kept, "Hangup", "slow", request(), slow))
        await asyncio.sleep(0)
        slow.gate.set()
        assert await first == await again == "done 1"

    run(main())
