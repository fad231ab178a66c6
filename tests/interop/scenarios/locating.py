"""Several servers of a domain (RFC 3263): where the first fails, the next is asked."""

from __future__ import annotations

from contextlib import ExitStack

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario
from tests.support.app import App
from tests.support.nameserver import NameServer

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL


def located(play: Play, stack: ExitStack, *ports: int) -> App:
    """An application of a server for which far.test is at these ports, in this order."""
    records = {
        "NAPTR far.test": ['10 10 "s" "SIP+D2U" "" _sip._udp.far.test.'],
        "SRV _sip._udp.far.test": [
            f"{place} 0 {port} host.far.test." for place, port in enumerate(ports, 1)
        ],
        "A host.far.test": ["127.0.0.1"],
    }
    names = stack.enter_context(NameServer(records))
    flag = "--dns-server={}:{}".format(*names.address)
    server = stack.enter_context(play.server_with(flag))
    return stack.enter_context(App(server.grpc))


@scenario("rfc3263-s4.3-second-server-uas", also=["rfc3261-s13.2.2.3-refused-uas"])
def call_goes_on_to_the_second_server(play: Play) -> None:
    keys = {"status": "503 Service Unavailable", "header": "Retry-After: 60"}
    with (
        play.callee("rfc3261-s13.2.2.3-refused-uas", keys=keys) as first,
        play.callee() as second,
        ExitStack() as stack,
    ):
        app = located(play, stack, first.port, second.port)
        call = app.invite("sip:ute@far.test", wait_for=FINAL)
        app.hangup(call)
        first.finish()
        second.finish()
        branches = {m.one("Via") for s in (first, second) for m in s.received()[:1]}
        assert len(branches) == 2
        app.leave_nothing()


@scenario("rfc3263-s4.3-message-fails-over-uas", also=["rfc3263-s4.3-503-to-message-uas"])
def message_goes_on_to_the_second_server(play: Play) -> None:
    with (
        play.callee("rfc3263-s4.3-503-to-message-uas") as first,
        play.callee() as second,
        ExitStack() as stack,
    ):
        app = located(play, stack, first.port, second.port)
        request = request_pb.SendMessageRequest(
            from_address=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
            to_address=sip_pb2.Address(uri="sip:ute@far.test"),
            body=sip_pb2.Body(content_type="text/plain", data=b"hello"),
        )
        assert app.requests.SendMessage(request, timeout=10).status.code == 200
        first.finish()
        second.finish()
