"""Whose time the stacks of a server show."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from benchmarks import more
from benchmarks.profiling import OTHER, read

TURN = (
    "run (picosip_server/service/server.py:255);Worker.turn (picosip_server/engine/worker.py:148)"
)


@pytest.mark.parametrize(
    ("frames", "layer"),
    [
        ("parse (picosip_server/sip/parse.py:60);str_split (libpython3.11.so)", "protocol"),
        ("CPyDef_core___Core___receive (picosip_server__mypyc.cpython-311.so)", "protocol"),
        (
            "take (picosip_server/engine/core.py:9);gc_collect_main (gcmodule.c:1217)",
            "garbage collector",
        ),
        (
            "UdpSocket.send (picosip_server/engine/transport/udp.py:90);__libc_sendto (libc.so.6)",
            "reading and writing sockets",
        ),
        ("Bridge._deliver (picosip_server/service/bridge.py:200)", "service"),
        (
            "append (picosip_server/service/event_log.py:9);PyUpb_GetAttr (_message.abi3.so)",
            "protobuf",
        ),
        ("AioServer._loop (cygrpc.so);grpc_call_start_batch (cygrpc.so)", "gRPC"),
        ("uv__io_poll (linux.c:1);uv__run_timers (timer.c:1)", "event loop"),
    ],
)
def test_the_innermost_frame_that_is_known_says_whose_time_it_is(frames: str, layer: str) -> None:
    (found,) = read([f"{TURN};{frames} 3"]).layers
    assert found.startswith(layer)


def test_shares_are_of_what_did_not_wait() -> None:
    found = read(
        [
            "main (a.py:1);work (a.py:2) 6",
            "main (a.py:1);work (a.py:2);more (a.py:3);work (a.py:2) 2",
            "main (a.py:1) 2",
            "main (a.py:1);__GI_epoll_pwait (libc.so.6) 90",
            "main (a.py:1);epoll_wait (libc.so.6) 90",
            "main (a.py:1);PyThread_acquire_lock_timed (libpython3.11.so);0x7 (libc.so.6) 90",
            "",
        ]
    )
    assert found.samples == 10
    assert found.layers == {OTHER: 1.0}
    assert found.functions == [
        ("main (a.py:1)", 1.0, 0.2),
        ("work (a.py:2)", 0.8, 0.8),
        ("more (a.py:3)", 0.2, 0.0),
    ]
    assert read([]).layers == {}


def test_who_has_no_py_spy_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(more, "py_spy", lambda: None)
    done = CliRunner().invoke(more.more, ["profile"])
    assert done.exit_code == 2
    assert "pip install py-spy" in done.output
    done = CliRunner().invoke(more.more, ["profile", "sipp-uas"])
    assert done.exit_code == 2
    assert "sipp-uas" in done.output
