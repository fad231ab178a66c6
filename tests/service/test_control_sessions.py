"""What a lost Control stream leaves behind, what the next one finds, and how streams end."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    call_service_pb2 as call_pb,
    event_service_pb2 as pb,
)
from picosip_server.service.sessions import Sessions
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.snapshots import Cause
from tests.service import values
from tests.service.controlling import Stream, controlling
from tests.service.scripted_engine import ScriptedEngine
from tests.service.serving import Client, Served, details, refusal, serve, until
from tests.service.test_control import OBSERVER
from tests.service.test_rpcs import invite
from tests.service.virtual_time import run

Code = grpc.StatusCode
TIED = call_pb.CallPolicy(hangup_on_disconnect=True)


async def lose(client: Client, stream: Stream) -> None:
    """The client is gone, and the server knows."""
    stream.call.cancel()
    while (await client.admin.GetStats(admin_pb.GetStatsRequest())).event_streams:
        await asyncio.sleep(0)


async def opened(client: Client, **opening: object) -> Stream:
    stream = Stream(client)
    await stream.open(filter=OBSERVER, **opening)
    return stream


async def placed(stream: Stream, user: str = "rings", policy: call_pb.CallPolicy = TIED) -> str:
    await stream.do(invite(user, policy=policy))
    return (await stream.result()).call.name


async def test_tied_calls_end_with_a_stream_that_is_lost(
    client: Client, engine: ScriptedEngine
) -> None:
    stream = await opened(client)
    tied = await placed(stream)
    over = await placed(stream)
    engine.far_end_hangs_up(over)
    free = await placed(stream, policy=call_pb.CallPolicy())
    await stream.do(invite("later", policy=TIED))
    await until(lambda: len(engine.commands) == 4)
    await lose(client, stream)
    assert [one.name for one in engine.commands if isinstance(one, commands.Hangup)] == [tied]
    # It came into being when its maker had gone.
    engine.release()
    await until(lambda: engine.stats().active_calls == 1)
    await client.calls.GetCall(call_pb.GetCallRequest(name=free))


async def test_a_session_outlives_its_stream(client: Client, engine: ScriptedEngine) -> None:
    stream = await opened(client, session="one")
    assert not stream.opened.resumed
    name = await placed(stream)
    await lose(client, stream)
    other = await opened(client, session="two")
    assert not other.opened.resumed
    await other.end()
    stream = await opened(client, session="one")
    assert stream.opened.resumed
    assert engine.stats().active_calls == 1
    # It ends in order: nobody will come back.
    await stream.end()
    await until(lambda: engine.stats().active_calls == 0)
    hangups = [one for one in engine.commands if isinstance(one, commands.Hangup)]
    assert [one.name for one in hangups] == [name]
    assert not (await opened(client, session="one")).opened.resumed


async def test_a_session_ends_when_nobody_comes_back_in_time(
    client: Client, engine: ScriptedEngine
) -> None:
    stream = await opened(client, session="one", keep_session=Duration(nanos=1_000_000))
    await placed(stream)
    stream.call.cancel()
    await until(lambda: engine.stats().active_calls == 0)


async def test_a_session_has_one_stream(client: Client, engine: ScriptedEngine) -> None:
    first = await opened(client, session="one")
    await placed(first)
    second = await opened(client, session="one")
    assert second.opened.resumed
    error = await refusal(first.event())
    assert error.code() is Code.ABORTED
    assert details(error)[0].reason == "SESSION_TAKEN_OVER"
    assert engine.stats().active_calls == 1
    await second.end()
    await until(lambda: engine.stats().active_calls == 0)


def test_sessions_that_wait_for_a_stream_are_bounded() -> None:
    async def main() -> None:
        hung_up: list[str] = []
        sessions = Sessions(hung_up.append, most_lost=2)
        for name in ("a", "b", "c"):
            session, known = sessions.begin(name, 60.0, id)
            assert not known
            sessions.created(session, f"calls/{name}")
            sessions.left(session, id, lost=True)
        assert hung_up == ["calls/a"]
        session, known = sessions.begin("c", 60.0, id)
        assert known
        await asyncio.sleep(61)
        assert hung_up == ["calls/a", "calls/b"]
        sessions.saw(values.ended("calls/c", cause=Cause.REMOTE_HANGUP))
        sessions.left(session, id, lost=False)
        assert hung_up == ["calls/a", "calls/b"]

    run(main())


async def test_a_command_that_is_sent_again_is_done_once(
    client: Client, engine: ScriptedEngine
) -> None:
    """Whether it had been done, or was in progress, when the stream was lost."""
    requests = [invite("answers", request_id="one"), invite("later", request_id="two")]
    stream = await opened(client, session="one")
    await stream.do(*requests)
    done = await stream.result()
    assert done.command_id == 1
    await lose(client, stream)
    stream = await opened(client, session="one")
    await stream.do(*requests)
    assert await stream.result() == done
    engine.release()
    later = await stream.result()
    assert (later.command_id, later.call.state) == (2, call_pb.Call.STATE_CALLING)
    assert len(engine.commands) == 2


async def test_events_go_on_behind_the_cursor(client: Client, engine: ScriptedEngine) -> None:
    async with controlling(client) as stream:
        engine.emit(*values.numbered(5))
        assert [(await stream.event()).revision for _ in range(3)] == [1, 2, 3]
        cursor = pb.Cursor(incarnation=stream.opened.cursor.incarnation, revision=3)
    engine.emit(*values.numbered(5))
    async with controlling(client, after=cursor) as stream:
        assert stream.opened.cursor == cursor
        assert [(await stream.event()).revision for _ in range(7)] == list(range(4, 11))


async def test_a_snapshot_comes_first(client: Client, engine: ScriptedEngine) -> None:
    engine.receive_call()
    async with controlling(client, include_snapshot=True) as stream:
        assert await stream.kinds(1) == ["snapshot"]


async def test_a_reader_that_never_gives_credit_falls_out_alone() -> None:
    running = await serve(event_log_size=20)
    try:
        client, engine = running.client, running.engine
        async with (
            controlling(client, max_outstanding_events=5) as slow,
            client.listening() as other,
        ):
            for number in range(60):
                engine.emit(*values.numbered(1))
                assert (await other.next()).revision == number + 1
            assert [(await slow.event()).revision for _ in range(5)] == [1, 2, 3, 4, 5]
            await slow.do(call_pb.GetCallRequest(name="calls/none"))
            await slow.result()
            await slow.write(acknowledge_revision=5)
            error = await refusal(slow.event())
            assert error.code() is Code.OUT_OF_RANGE
            assert details(error)[0].reason == "CURSOR_EXPIRED"
    finally:
        await running.stop()


@pytest.mark.parametrize("credit", [0, 1])
async def test_a_drain_ends_it(served: Served, credit: int) -> None:
    client = served.client
    async with controlling(client, max_outstanding_events=credit) as stream:
        await client.admin.Drain(admin_pb.DrainRequest())
        assert await stream.kinds(1) == ["server_draining"]
        error = await refusal(stream.event())
        assert error.code() is Code.UNAVAILABLE
        assert details(error)[0].reason == "DRAINING"
    late = Stream(client)
    await late.write(open=pb.ControlOpen())
    assert (await refusal(late.read())).code() is Code.UNAVAILABLE


async def test_commands_are_counted_as_their_rpcs(served: Served) -> None:
    async with controlling(served.client, filter=OBSERVER) as stream:
        await stream.do(invite("answers"), call_pb.HangupRequest(name="calls/none"))
        await stream.results(2)
    read = served.server._metrics.registry.get_sample_value
    for method, code in (("Invite", "OK"), ("Hangup", "NOT_FOUND")):
        labels = {"method": f"/picosip.v1.CallService/{method}", "code": code}
        assert read("picosip_grpc_requests_total", labels) == 1.0
