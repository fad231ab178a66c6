"""Wireshark's dissectors find no fault with the SIP and SDP that the server sends."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import picosip
from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    request_service_pb2 as request_pb,
    sdp_pb2,
    sip_pb2,
)
from tests.interop.jssip.browser import Browser
from tests.interop.tshark import dissect, flawed
from tests.support.app import App, Event
from tests.support.server import PicosipServer

pytestmark = pytest.mark.peer("tshark")

HEAD = (
    "OPTIONS sip:bob@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:alice@example.com>;tag=1\r\n"
    "To: <sip:bob@example.com>\r\n"
    "Call-ID: 1\r\n"
    "CSeq: 1 OPTIONS\r\n"
)


def sent(trace: picosip.Trace, last: str) -> list[bytes]:
    """The exact octets of all that a server sent, up to a message that starts so."""
    # An iteration that nothing ends is ended here.
    patience = threading.Timer(20.0, trace.close)
    patience.start()
    messages: list[bytes] = []
    for record in trace:
        if record.direction == admin_pb.TraceRecord.DIRECTION_SENT:
            messages.append(record.message.raw)
            if messages[-1].startswith(last.encode()):
                break
    patience.cancel()
    patience.join()
    assert messages[-1].startswith(last.encode())
    return messages


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}Content Length\r\n\r\n",
        f"{HEAD}Unheard-Of: yes\r\n\r\n",
        HEAD,
        f"{HEAD}Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 400000 RTP/AVP 0\r\n",
    ],
)
def test_faults_are_seen(tmp_path: Path, text: str) -> None:
    """Or the tests below would show nothing."""
    good = f"{HEAD}X-Unheard-Of: yes\r\n\r\n"
    (fault,) = flawed(dissect([good.encode(), text.encode()], tmp_path))
    assert fault.endswith(text)


def described(port: int) -> sdp_pb2.SessionDescription:
    """A session that the server writes itself."""
    attributes = {"rtpmap": ["0 PCMU/8000", "101 telephone-event/8000"], "ptime": "20"}
    audio = picosip.media("audio", port, formats=[0, 101], attributes=attributes)
    return picosip.sdp([audio], connection="127.0.0.1", bandwidths={"AS": 80})


def accepting(app: App, event: Event) -> None:
    """An ``on_event`` that accepts each request as it comes, re-INVITEs included."""
    if event.WhichOneof("kind") == "incoming_request":
        asked = event.incoming_request
        request = request_pb.RespondRequest(
            name=asked.name,
            status=sip_pb2.SipStatus(code=200),
            description=described(4002) if asked.HasField("offer") else None,
        )
        app.soon(app.requests.Respond.future(request))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_and_requests(server: PicosipServer, tmp_path: Path, transport: str) -> None:
    """Calls with all that happens in them, cancelled, refused and redirected ones; then
    requests outside of calls."""
    with (
        PicosipServer(tmp_path / "other") as other,
        App(other.grpc, methods=["MESSAGE"], on_event=accepting) as app,
        picosip.Client(server.grpc) as near,
        picosip.Client(other.grpc) as far,
        near.trace(include_raw=True) as near_trace,
        far.trace(include_raw=True) as far_trace,
    ):
        alice, bob = "sip:alice@127.0.0.1", other.uri("bob", transport)

        def place(number: int) -> tuple[str, str]:
            name = near.invite(alice, bob, described(4000)).name
            return name, app.wait_for_count("call_received", number)[-1].resource

        call, incoming = place(1)
        far.progress(incoming, 183, described(4002), reliable=True)
        far.progress(incoming)
        far.answer(incoming)
        near.hold(call)
        near.resume(call)
        near.send_dtmf(call, "1#", duration=0.05, gap=0.05)
        far.hangup(incoming)
        call, incoming = place(2)
        far.progress(incoming)
        near.hangup(call)
        _, incoming = place(3)
        far.reject(incoming, 486)
        _, incoming = place(4)
        far.redirect(incoming, [f"{alice};method=INVITE"])
        assert near.send_message("good morning", alice, bob).code == 200
        near.ping(bob)
        for client, uri in ((near, bob), (far, server.uri("alice", transport))):
            assert client.transact("FROBNICATE", alice, uri).status.code == 501
        # Each has answered the other's last request.
        by_near, by_far = (sent(trace, "SIP/2.0 501") for trace in (near_trace, far_trace))
        assert app.errors == []
    assert len(by_near) > 15
    dissected = dissect([*by_near, *by_far], tmp_path)
    assert flawed(dissected) == []
    assert any("sdp" in each.protocols for each in dissected)


@pytest.mark.peer("node", "jssip")
def test_browser(tmp_path: Path) -> None:
    """A call with a session as browsers describe it, over WebSocket."""
    with (
        PicosipServer(tmp_path / "server", "--sip=ws:127.0.0.1:0") as server,
        App(server.grpc) as app,
        picosip.Client(server.grpc) as client,
        client.trace(include_raw=True) as trace,
        Browser(tmp_path, f"ws://127.0.0.1:{server.ports['ws']}", "sip:a@127.0.0.1") as browser,
    ):
        browser.do("call", uri="sip:bob@127.0.0.1")
        received = app.wait_for("call_received")
        client.progress(received.resource)
        answer = sdp_pb2.SessionDescription(sdp=received.call_received.offer.sdp)
        client.answer(received.resource, answer)
        browser.wait_for("confirmed")
        client.hold(received.resource)
        browser.wait_for("hold", who="remote")
        client.hangup(received.resource)
        browser.wait_for("ended", who="remote")
        messages = sent(trace, "BYE ")
    dissected = dissect(messages, tmp_path)
    assert flawed(dissected) == []
    assert any("sdp" in each.protocols for each in dissected)
