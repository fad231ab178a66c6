"""One request_id, one outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import pytest

from picosip.v1 import call_service_pb2 as pb
from picosip_server.service.errors import ApiError
from picosip_server.service.idempotency import Idempotency
from tests.service.virtual_time import run

Work = Callable[[], Coroutine[Any, Any, str]]


class Worker:
    """Does work that can be counted, held up, and made to fail."""

    def __init__(self) -> None:
        self.times = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.times += 1
        number = self.times
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return f"done {number}"


def request(name: str = "calls/a") -> pb.HangupRequest:
    return pb.HangupRequest(request_id="id", name=name)


def failure(code: grpc.StatusCode) -> ApiError:
    return ApiError(code, "WHY", "because")


def test_a_retry_has_the_outcome_of_the_first() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        for _ in range(3):
            assert await kept.run("Hangup", "id", request(), work) == "done 1"
        assert work.times == 1

    run(main())


def test_without_an_id_each_is_done() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        assert await kept.run("Hangup", "", request(), work) == "done 1"
        assert await kept.run("Hangup", "", request(), work) == "done 2"
        assert len(kept) == 0

    run(main())


def test_an_id_belongs_to_one_method() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        await kept.run("Hangup", "id", request(), work)
        with pytest.raises(ApiError) as error:
            await kept.run("Reject", "id", request(), work)
        assert error.value.reason == "REQUEST_ID_REUSED"
        assert await kept.run("Hangup", "other", request(), work) == "done 2"

    run(main())


def test_another_content_is_refused() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        await kept.run("Hangup", "id", request("calls/a"), work)
        with pytest.raises(ApiError) as raised:
            await kept.run("Hangup", "id", request("calls/b"), work)
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
            assert await kept.run("Invite", "id", labelled, work) == "done 1"

    run(main())


def test_a_retry_joins_what_still_runs() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.gate.clear()
        both = [asyncio.create_task(kept.run("Hangup", "id", request(), work)) for _ in range(2)]
        await asyncio.sleep(1)
        work.gate.set()
        assert await asyncio.gather(*both) == ["done 1", "done 1"]
        assert work.times == 1

    run(main())


def test_a_cancelled_request_undoes_nothing() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.gate.clear()
        first = asyncio.create_task(kept.run("Hangup", "id", request(), work))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        work.gate.set()
        assert await kept.run("Hangup", "id", request(), work) == "done 1"

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
            await kept.run("Hangup", "id", request(), work)
        work.error = None
        if kept_for_good:
            with pytest.raises(ApiError):
                await kept.run("Hangup", "id", request(), work)
        else:
            assert await kept.run("Hangup", "id", request(), work) == "done 2"

    run(main())


def test_a_fault_of_the_server_is_not_kept() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency()
        work.error = RuntimeError("broken")
        with pytest.raises(RuntimeError):
            await kept.run("Hangup", "id", request(), work)
        assert len(kept) == 0

    run(main())


def test_outcomes_are_forgotten_when_they_are_old() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency(age=600.0)
        await kept.run("Hangup", "id", request(), work)
        await asyncio.sleep(599)
        assert await kept.run("Hangup", "id", request(), work) == "done 1"
        await asyncio.sleep(1)
        assert await kept.run("Hangup", "id", request(), work) == "done 2"

    run(main())


def test_the_oldest_outcomes_make_room_and_what_runs_is_kept() -> None:
    async def main() -> None:
        work, kept = Worker(), Idempotency(most=2)
        slow = Worker()
        slow.gate.clear()
        first = asyncio.create_task(kept.run("Hangup", "slow", request(), slow))
        for name in ("a", "b", "c"):
            await kept.run("Hangup", name, request(), work)
        assert len(kept) == 3
        assert await kept.run("Hangup", "b", request(), work) == "done 2"
        assert await kept.run("Hangup", "a", request(), work) == "done 4"
        again = asyncio.create_task(kept.run("Hangup", "slow", request(), slow))
        await asyncio.sleep(0)
        slow.gate.set()
        assert await first == await again == "done 1"

    run(main())
