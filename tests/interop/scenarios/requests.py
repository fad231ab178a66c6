"""MESSAGE and INFO, in calls and outside."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, request_service_pb2 as request_pb, sip_pb2
from tests.interop.suite import Play, scenario

FINAL = call_pb.InviteRequest.WAIT_FOR_FINAL


@scenario("rfc3428-s4-message-challenged-uas", over=[401, 407])
def message_is_challenged(play: Play, code: int) -> None:
    app = play.app
    keys = {
        401: {
            "status": "401 Unauthorized",
            "challenge": "WWW-Authenticate",
            "credentials": "Authorization",
        },
        407: {
            "status": "407 Proxy Authentication Required",
            "challenge": "Proxy-Authenticate",
            "credentials": "Proxy-Authorization",
        },
    }
    with play.callee(keys=keys[code]) as sipp:
        request = request_pb.SendMessageRequest(
            from_address=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
            to_address=sip_pb2.Address(uri=sipp.uri),
            body=sip_pb2.Body(content_type="text/plain", data=b"Watson, come here."),
            credentials=[sip_pb2.Credentials(username="alice", password="secret")],
        )
        assert app.requests.SendMessage(request, timeout=10).status.code == 202
        sipp.finish()


@scenario("rfc3428-s7-message-uac", methods=["MESSAGE"])
def message_comes_in(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        asked = app.wait_for("incoming_request").incoming_request
        assert (asked.method, asked.call) == ("MESSAGE", "")
        assert asked.body.data.startswith(b"Watson, come here.")
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=200)),
            timeout=10,
        )
        sipp.finish()


@scenario("rfc6086-s4.2.2-info-uac")
def info_in_a_call(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        asked = app.wait_for("incoming_request").incoming_request
        assert (asked.method, asked.call) == ("INFO", call)
        assert asked.body.content_type == "application/x-own"
        app.requests.Respond(
            request_pb.RespondRequest(name=asked.name, status=sip_pb2.SipStatus(code=200)),
            timeout=10,
        )
        app.wait_for("call_ended", call)
        sipp.finish()


@scenario("rfc6086-s4.2.2-dtmf-uac")
def digits_come_in(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        call = app.wait_for("call_received").resource
        app.answer(call)
        received = [e.dtmf_received for e in app.wait_for_count("dtmf_received", 2)]
        app.wait_for("call_ended", call)
        sipp.finish()
    assert [each.digit for each in received] == ["5", "#"]
    assert received[0].duration == Duration(nanos=160_000_000)


@scenario("rfc6086-s4.2.1-dtmf-uas")
def digits_go_out(play: Play) -> None:
    app = play.app
    with play.callee() as sipp:
        call = app.invite(sipp.uri, wait_for=FINAL)
        app.wait_for("call_confirmed", call)
        app.calls.SendDtmf(
            call_pb.SendDtmfRequest(name=call, digits="1*", duration=Duration(nanos=100_000_000)),
            timeout=10,
        )
        app.hangup(call)
        sipp.finish()


@scenario("rfc3428-s8-large-message-uas")
def large_message_goes_over_tcp(play: Play) -> None:
    app = play.app
    with play.callee(transport="tcp") as sipp:
        request = request_pb.SendMessageRequest(
            from_address=sip_pb2.Address(uri="sip:interop@127.0.0.1"),
            to_address=sip_pb2.Address(uri=f"sip:sipp@127.0.0.1:{sipp.port}"),
            body=sip_pb2.Body(content_type="text/plain", data=b"x" * 2000),
        )
        assert app.requests.SendMessage(request, timeout=10).status.code == 200
        sipp.finish()
