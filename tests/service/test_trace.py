"""Traces: filtered, masked, bounded, and never in the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest

from picosip.v1 import admin_service_pb2 as pb, sip_pb2
from picosip_server.service import errors
from picosip_server.service.clock import Clock
from picosip_server.service.errors import ApiError
from picosip_server.service.trace import Tracer
from picosip_server.sip.message import Message
from picosip_server.sip.ua.outputs import Traced
from tests.service import values
from tests.service.virtual_time import run

CLOCK = Clock(now=lambda: 1000.0, wall=lambda: 1_700_000_000.0)


def traced(message: Message | None = None, **changes: Any) -> Traced:
    made = message or values.request()
    fields: dict[str, Any] = {
        "at": 1000.5,
        "sent": True,
        "message": made,
        "raw": made.encode(),
        "transport": "TCP",
        "local": ("192.0.2.1", 5060),
        "remote": ("2001:db8::2", 5070),
        "resource": "calls/a",
        **changes,
    }
    return Traced(**fields)


class Open:
    """An open trace whose first, empty response has been read."""

    def __init__(self, tracer: Tracer, **request: Any) -> None:
        self._responses: AsyncGenerator[pb.TraceResponse, None] = tracer.run(
            pb.TraceRequest(**request)
        )

    async def begin(self) -> Open:
        assert await anext(self._responses) == pb.TraceResponse()
        return self

    async def next(self) -> pb.TraceResponse:
        return await anext(self._responses)

    async def close(self) -> None:
        await self._responses.aclose()


def new_tracer(queued: int = 1000) -> tuple[Tracer, list[bool]]:
    switched: list[bool] = []
    return Tracer(2, CLOCK, switched.append, queued=queued), switched


def test_a_message_as_it_passed() -> None:
    async def main() -> None:
        tracer, _ = new_tracer()
        opened = await Open(tracer, include_raw=True).begin()
        message = values.request("REGISTER", Authorization='Digest response="5ec2e7"')
        tracer.offer(traced(message, sent=False, retransmission=True))
        response = await opened.next()
        (record,) = response.records
        assert b"5ec2e7" not in response.SerializeToString()
        assert b"Authorization: Digest ***\r\n" in record.message.raw
        assert record.message.request.method == "REGISTER"
        assert record.message.headers[5] == sip_pb2.Header(name="Authorization", value="Digest ***")
        assert record.message.local == sip_pb2.Endpoint(
            transport=sip_pb2.TRANSPORT_TCP, host="192.0.2.1", port=5060
        )
        assert record.message.remote == sip_pb2.Endpoint(
            transport=sip_pb2.TRANSPORT_TCP, host="2001:db8::2", port=5070
        )
        assert record.direction == pb.TraceRecord.DIRECTION_RECEIVED
        assert (record.resource, record.retransmission) == ("calls/a", True)
        assert (record.time.seconds, record.time.nanos) == (1_700_000_000, 500_000_000)
        await opened.close()

    run(main())


def test_raw_octets_only_where_asked_for() -> None:
    async def main() -> None:
        tracer, _ = new_tracer()
        opened = await Open(tracer).begin()
        tracer.offer(traced())
        (record,) = (await opened.next()).records
        assert record.message.raw == b""
        assert record.direction == pb.TraceRecord.DIRECTION_SENT
        await opened.close()

    run(main())


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 4),
        ({"resources": ["calls/"]}, 3),
        ({"resources": ["calls/b"]}, 1),
        ({"methods": ["OPTIONS"]}, 2),
        ({"methods": ["BYE", "INVITE"], "resources": ["calls/a"]}, 1),
    ],
)
def test_filters(wanted: dict[str, Any], count: int) -> None:
    async def main() -> None:
        tracer, _ = new_tracer()
        opened = await Open(tracer, **wanted).begin()
        tracer.offer(traced())
        tracer.offer(traced(values.request("OPTIONS")))
        # A response is of the method that its CSeq names.
        tracer.offer(traced(values.response(method="OPTIONS"), resource=""))
        tracer.offer(traced(values.request("BYE"), resource="calls/b"))
        assert len((await opened.next()).records) == count
        await opened.close()

    run(main())


def test_a_response_whose_method_cannot_be_read_is_of_none() -> None:
    async def main() -> None:
        tracer, _ = new_tracer()
        opened = await Open(tracer, methods=["OPTIONS"]).begin()
        broken = values.response(404)
        broken.headers.set("CSeq", "x")
        tracer.offer(traced(broken))
        tracer.offer(traced(values.response(200)))
        (record,) = (await opened.next()).records
        assert record.message.status.code == 200
        await opened.close()

    run(main())


def test_records_are_sent_in_batches() -> None:
    async def main() -> None:
        tracer, _ = new_tracer()
        opened = await Open(tracer).begin()
        for _ in range(100):
            tracer.offer(traced())
        assert [len((await opened.next()).records) for _ in range(2)] == [64, 36]
        await opened.close()

    run(main())


def test_what_a_slow_reader_leaves_is_dropped_and_counted() -> None:
    async def main() -> None:
        tracer, _ = new_tracer(queued=3)
        slow, other = await Open(tracer).begin(), await Open(tracer).begin()
        for _ in range(5):
            tracer.offer(traced())
        first = await slow.next()
        assert (len(first.records), first.dropped) == (3, 2)
        tracer.offer(traced())
        second = await slow.next()
        assert (len(second.records), second.dropped) == (1, 0)
        await slow.close()
        await other.close()

    run(main())


def test_the_engine_traces_only_while_somebody_looks() -> None:
    async def main() -> None:
        tracer, switched = new_tracer()
        assert switched == []
        one = await Open(tracer).begin()
        two = await Open(tracer).begin()
        assert switched == [True]
        with pytest.raises(ApiError) as raised:
            await Open(tracer).begin()
        assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await one.close()
        assert switched == [True]
        await two.close()
        assert switched == [True, False]
        tracer.offer(traced())

    run(main())


def test_traces_end_with_the_server() -> None:
    async def main() -> None:
        tracer, switched = new_tracer()
        opened = await Open(tracer).begin()
        tracer.offer(traced())
        tracer.end_all(errors.draining())
        assert len((await opened.next()).records) == 1
        with pytest.raises(ApiError) as raised:
            await opened.next()
        assert raised.value.code is grpc.StatusCode.UNAVAILABLE
        assert switched == [True, False]
        with pytest.raises(ApiError) as raised:
            await Open(tracer).begin()
        assert raised.value.code is grpc.StatusCode.UNAVAILABLE

    run(main())
