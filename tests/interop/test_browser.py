"""SIP.js, as browsers run it, over WebSocket: at picoSIP's own listener, and through Kamailio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import request_service_pb2 as request_pb, sip_pb2
from tests.interop.browser.phone import BrowserPhone, missing
from tests.interop.kamailio.registrar import SECRETS, Kamailio
from tests.support.app import App, Event, Termination, sdp
from tests.support.server import PicosipServer

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"{missing()} is missing: run `make peers`")

WEB = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nc=IN IP4 127.0.0.1\r\n"
    b"m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\na=mid:0\r\n"
)


def taking(app: App, event: Event) -> None:
    """Takes each MESSAGE."""
    if event.WhichOneof("kind") == "incoming_request":
        respond = request_pb.RespondRequest(
            name=event.incoming_request.name, status=sip_pb2.SipStatus(code=200)
        )
        app.soon(app.requests.Respond.future(respond))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PicosipServer]:
    with PicosipServer(tmp_path_factory.mktemp("picosip"), "--sip=ws:127.0.0.1:0") as running:
        yield running


@pytest.fixture
def app(server: PicosipServer) -> Iterator[App]:
    with App(server.grpc, on_event=taking, methods=("MESSAGE",), include_messages=True) as running:
        yield running
        running.leave_nothing()
        assert running.errors == []


@pytest.fixture
def direct(server: PicosipServer, app: App, tmp_path: Path) -> Iterator[BrowserPhone]:
    """A phone that is connected to picoSIP itself."""
    where = f"ws://127.0.0.1:{server.ports['ws']}"
    with BrowserPhone(tmp_path, server=where, uri="sip:web@127.0.0.1") as phone:
        yield phone


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_it_calls_picosip(direct: BrowserPhone, app: App, who: str) -> None:
    direct.do("call", target="sip:bob@127.0.0.1")
    received = app.wait_for("call_received")
    assert b"a=ice-ufrag:c0ffee00" in received.message.body.data
    app.progress(received.resource)
    app.answer(received.resource, description=_web())
    direct.wait_for("session", state="Established")
    direct.do("say", text="inside")
    direct.wait_for("said", status=200)
    message = app.wait_for("incoming_request").incoming_request
    assert (message.method, message.call) == ("MESSAGE", received.resource)
    _hang_up(direct, app, received.resource, who == "caller")


def test_it_gives_up(direct: BrowserPhone, app: App) -> None:
    direct.do("call", target="sip:bob@127.0.0.1")
    received = app.wait_for("call_received").resource
    app.progress(received)
    direct.do("cancel")
    ended = app.wait_for("call_ended", received).call_ended.termination
    assert ended.cause == Termination.CAUSE_CANCELLED


def test_its_messages(direct: BrowserPhone, app: App) -> None:
    direct.do("message", target="sip:bob@127.0.0.1", text="over the wire")
    direct.wait_for("sent", status=200)
    assert app.wait_for("incoming_request").incoming_request.body.data == b"over the wire"


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    with Kamailio(tmp_path_factory.mktemp("kamailio"), "WEBSOCKET") as running:
        yield running


@pytest.fixture
def through(kamailio: Kamailio, app: App, tmp_path: Path) -> Iterator[BrowserPhone]:
    """A phone that is registered at Kamailio, as picoSIP is by UDP."""
    registration = app.register(
        kamailio.uri,
        kamailio.aor("bob"),
        credentials=[sip_pb2.Credentials(username="bob", password=SECRETS["bob"])],
        expires=Duration(seconds=600),
    )
    with BrowserPhone(
        tmp_path,
        server=f"ws://127.0.0.1:{kamailio.port}",
        uri=kamailio.aor("alice"),
        user="alice",
        password=SECRETS["alice"],
    ) as phone:
        phone.do("register")
        phone.wait_for("registered", status=200)
        yield phone
    app.unregister(registration.name)


@pytest.mark.peer("kamailio")
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_it_calls_through_kamailio(
    through: BrowserPhone, app: App, kamailio: Kamailio, who: str
) -> None:
    through.do("call", target=kamailio.aor("bob"))
    received = app.wait_for("call_received").resource
    app.answer(received, description=_web())
    through.wait_for("session", state="Established")
    _hang_up(through, app, received, who == "caller")


@pytest.mark.peer("kamailio")
@pytest.mark.parametrize("who", ["caller", "callee"])
def test_it_is_called_through_kamailio(
    through: BrowserPhone, app: App, kamailio: Kamailio, who: str
) -> None:
    call = app.invite(
        kamailio.aor("alice"),
        sender=kamailio.aor("bob"),
        credentials=[sip_pb2.Credentials(username="bob", password=SECRETS["bob"])],
        offer=_web(),
    )
    through.wait_for("invitation")
    through.do("answer")
    app.wait_for("call_confirmed", call)
    through.wait_for("session", state="Established")
    _hang_up(through, app, call, who == "callee")


@pytest.mark.peer("kamailio")
def test_messages_through_kamailio(through: BrowserPhone, app: App, kamailio: Kamailio) -> None:
    through.do("message", target=kamailio.aor("bob"), text="from the web")
    through.wait_for("sent", status=200)
    assert app.wait_for("incoming_request").incoming_request.body.data == b"from the web"
    request = request_pb.SendMessageRequest(
        from_address=sip_pb2.Address(uri=kamailio.aor("bob")),
        to_address=sip_pb2.Address(uri=kamailio.aor("alice")),
        body=sip_pb2.Body(content_type="text/plain", data=b"to the web"),
    )
    assert app.requests.SendMessage(request, timeout=20).status.code == 200
    assert through.wait_for("message", body="to the web")["inside"] is False


def _web() -> object:
    description = sdp()
    description.raw = WEB
    return description


def _hang_up(phone: BrowserPhone, app: App, call: str, phone_does: bool) -> None:
    if phone_does:
        phone.do("bye")
        cause = Termination.CAUSE_REMOTE_HANGUP
    else:
        app.hangup(call)
        cause = Termination.CAUSE_LOCAL_HANGUP
    phone.wait_for("session", state="Terminated")
    assert app.wait_for("call_ended", call).call_ended.termination.cause == cause
