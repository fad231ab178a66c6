"""What the server is asked for: options, scenarios, tables, in this order of precedence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from picosip.v1 import load_service_pb2 as load_pb, sip_pb2
from picosip_server.cli_load.notation import distribution, duration, header, outcome, ramp, step
from picosip_server.cli_load.requests import (
    answer_request,
    call_request,
    message_request,
    register_request,
)
from picosip_server.cli_load.scenario import read_scenario, shown
from picosip_server.cli_load.subjects import (
    AnswerOptions,
    CallOptions,
    MessageOptions,
    RegisterOptions,
)
from picosip_server.settings_file import SettingsError


def test_calls_have_a_usual_form() -> None:
    request = call_request(CallOptions(target="127.0.0.1:5060"))
    invite = request.calls.invite
    assert invite.from_address.uri == "sip:load@anonymous.invalid"
    assert invite.to_address.uri == "sip:127.0.0.1:5060"
    assert invite.request_uri == ""
    assert invite.offer.sdp.media[0].type == "audio"
    assert not request.calls.HasField("hold")
    assert request.profile == load_pb.LoadProfile(constant=10.0, duration=duration(10.0))
    assert request.progress_interval == duration(1.0)
    assert len(request.request_id) == 36
    assert not request.detached


def test_every_option_of_calls(tmp_path: Path) -> None:
    (tmp_path / "offer.sdp").write_bytes(b"v=0\r\n")
    (tmp_path / "users.csv").write_text('user,password\nalice,"a,b"\n\nbob,c\n', "utf-8-sig")
    request = call_request(
        CallOptions(
            target="sip:{user}@127.0.0.1",
            from_="sip:{n}@example.com",
            to="sip:{user}@example.com",
            header=[header("Subject: {n:05}")],
            sdp=tmp_path / "offer.sdp",
            hold=distribution("exp:30s"),
            user="{user}",
            password="{password}",
            route=["127.0.0.1:5080;lr"],
            csv=tmp_path / "users.csv",
            ramp=ramp("10:200:1m"),
            poisson=True,
            count=1000,
            duration=60.0,
            concurrent=50,
            seed=7,
            progress=0.5,
            events=True,
        )
    )
    invite = request.calls.invite
    assert invite.from_address.uri == "sip:{n}@example.com"
    assert (invite.to_address.uri, invite.request_uri) == (
        "sip:{user}@example.com",
        "sip:{user}@127.0.0.1",
    )
    assert invite.offer.raw == b"v=0\r\n"
    assert list(invite.options.headers) == [sip_pb2.Header(name="Subject", value="{n:05}")]
    assert list(invite.options.routes) == ["sip:127.0.0.1:5080;lr"]
    assert list(invite.credentials) == [
        sip_pb2.Credentials(username="{user}", password="{password}")
    ]
    assert request.calls.hold == distribution("exp:30s")
    assert request.table == load_pb.LoadTable(
        columns=["user", "password"],
        rows=[load_pb.LoadRow(values=["alice", "a,b"]), load_pb.LoadRow(values=["bob", "c"])],
    )
    assert request.profile == load_pb.LoadProfile(
        ramp=ramp("10:200:1m"),
        arrivals=load_pb.LoadProfile.ARRIVALS_POISSON,
        count=1000,
        duration=duration(60.0),
        max_concurrent=50,
    )
    assert (request.seed, request.publish_events) == (7, True)
    assert request.progress_interval == duration(0.5)
    assert not call_request(CallOptions(target="x", no_sdp=True)).calls.invite.HasField("offer")


def test_registrations() -> None:
    request = register_request(
        RegisterOptions(
            target="sip:127.0.0.1:5060;transport=tcp",
            expires=60.0,
            hold=distribution("5s"),
            user="load{n}",
            password="p",
            count=5,
            step=step("1:1:1s"),
        )
    )
    register = request.registrations.register
    assert register.registrar_uri == "sip:127.0.0.1:5060;transport=tcp"
    assert register.aor.uri == "sip:load{n}@127.0.0.1:5060"
    assert register.expires == duration(60.0)
    assert register.credentials[0].username == "load{n}"
    assert request.registrations.hold == distribution("5s")
    assert request.profile == load_pb.LoadProfile(step=step("1:1:1s"), count=5)
    other = register_request(RegisterOptions(target="127.0.0.1", aor="{u}@example.com"))
    assert other.registrations.register.aor.uri == "sip:{u}@example.com"


def test_messages(tmp_path: Path) -> None:
    request = message_request(MessageOptions(target="sip:a@127.0.0.1"))
    message = request.messages.message
    assert message.to_address.uri == "sip:a@127.0.0.1"
    assert message.body == sip_pb2.Body(content_type="text/plain", data=b"load {n}")
    (tmp_path / "body").write_bytes(b"<a/>")
    request = message_request(
        MessageOptions(to="a@127.0.0.1", body=tmp_path / "body", content_type="text/xml")
    )
    assert request.messages.message.body == sip_pb2.Body(content_type="text/xml", data=b"<a/>")
    assert request.messages.message.to_address.uri == "sip:a@127.0.0.1"
    request = message_request(MessageOptions(target="x", text="hi {n}"))
    assert request.messages.message.body.data == b"hi {n}"


def test_answers(tmp_path: Path) -> None:
    plain = answer_request(AnswerOptions())
    assert plain.WhichOneof("script") == "answers"
    assert plain.answers == load_pb.AnswerScript()
    assert not plain.HasField("profile")
    (tmp_path / "answer.sdp").write_bytes(b"v=0\r\n")
    request = answer_request(
        AnswerOptions(
            users=["load*"],
            status=[outcome("200=9"), outcome("486=1")],
            ringing=True,
            delay=distribution("uniform:1s:2s"),
            hold=distribution("3s"),
            sdp=tmp_path / "answer.sdp",
            header=[header("Server: test")],
            duration=60.0,
        )
    )
    script = request.answers
    assert list(script.users) == ["load*"]
    assert [(one.status.code, one.weight) for one in script.outcomes] == [(200, 9.0), (486, 1.0)]
    assert script.ringing
    assert script.delay == distribution("uniform:1s:2s")
    assert script.hold == distribution("3s")
    assert script.answer.description.raw == b"v=0\r\n"
    assert script.answer.options.headers[0].name == "Server"
    assert script.duration == duration(60.0)


TOML = """
seed = "3"
progressInterval = "2s"
[calls]
hold = { constant = "5s" }
[calls.invite]
request_uri = "sip:way@127.0.0.1"
from_address = { uri = "sip:a@example.com" }
to_address = { uri = "sip:b@127.0.0.1" }
credentials = [{ username = "a" }]
[profile]
constant = 50
count = "500"
"""


def test_options_win_over_a_scenario_and_that_over_what_is_usual(tmp_path: Path) -> None:
    path = tmp_path / "calls.toml"
    path.write_text(TOML)
    request = call_request(CallOptions(scenario=path, password="p"))
    invite = request.calls.invite
    assert invite.request_uri == "sip:way@127.0.0.1"
    assert invite.from_address.uri == "sip:a@example.com"
    # What a scenario leaves out of its calls is left out.
    assert not invite.HasField("offer")
    assert request.calls.hold == distribution("5s")
    assert invite.credentials[0].password == "p"
    assert request.profile == load_pb.LoadProfile(constant=50.0, count=500)
    assert request.progress_interval == duration(2.0)
    assert request.seed == 3

    request = call_request(
        CallOptions(
            scenario=path, target="sip:c@127.0.0.1", duration=3.0, rate=9.0, user="u", password="p"
        )
    )
    invite = request.calls.invite
    assert (invite.request_uri, invite.to_address.uri) == ("", "sip:c@127.0.0.1")
    assert invite.credentials[0].username == "u"
    assert request.profile == load_pb.LoadProfile(constant=9.0, duration=duration(3.0))


def test_what_is_shown_is_a_scenario_again_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user,password\nalice,hush\n")
    options = CallOptions(
        target="sip:{user}@127.0.0.1",
        csv=tmp_path / "users.csv",
        user="{user}",
        password="hush2",
        header=[header("Authorization: Digest hush3"), header("Subject: seen")],
        hold=distribution("1s"),
        rate=5.0,
    )
    request = call_request(options)
    text = json.dumps(shown(request))
    assert "hush" not in text
    assert "seen" in text
    path = tmp_path / "again.json"
    path.write_text(text)
    again = read_scenario(path)
    assert again.calls.hold == request.calls.hold
    assert again.profile == request.profile
    assert again.calls.invite.credentials[0].username == "{user}"
    # The request itself has kept them.
    assert request.calls.invite.credentials[0].password == "hush2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (CallOptions(), "TARGET is missing"),
        (CallOptions(target="x", rate=1.0, ramp=ramp("1:2:3")), "--rate and --ramp"),
        (CallOptions(target="x", password="p"), "--password: wants --user"),
        (CallOptions(target="x", user="p"), "--user: wants --password"),
        (CallOptions(target="x", sdp=Path("x"), no_sdp=True), "--sdp and --no-sdp"),
        (CallOptions(target="x", sdp=Path("/nowhere/x")), "--sdp /nowhere/x: cannot be read"),
        (CallOptions(scenario=Path("/nowhere/x")), "--scenario /nowhere/x: cannot be read"),
        (CallOptions(target="x", csv=Path("/nowhere/x")), "--csv /nowhere/x: cannot be read"),
    ],
)
def test_options_that_do_not_fit(options: CallOptions, says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        call_request(options)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("s.toml", b"calls = [", "is not TOML"),
        ("s.json", b"{", "is not JSON"),
        ("s.json", b"\xff", "is not UTF-8"),
        ("s.json", b'{"callz": {}}', "callz"),
        ("s.toml", b'[profile]\ncount = "many"', "many"),
        ("s.toml", b"[messages]", "is for picosip load messages"),
    ],
)
def test_faulty_scenarios(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        call_request(CallOptions(target="x", scenario=path))
    assert str(raised.value).startswith(f"--scenario {path}: ")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "wants a line with names"),
        ("a,b\n", "at least one with values"),
        ("a,a\n1,2\n", "a name of its own"),
        ("a,\n1,2\n", "a name of its own"),
        ("a,b\n1,2\n3\n", "line 3 has 1 values for 2 columns"),
        ('a\n"x\n', "line 2"),
    ],
)
def test_faulty_tables(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(SettingsError) as raised:
        call_request(CallOptions(target="x", csv=path))
    assert str(raised.value).startswith(f"--csv {path}: ")
    assert says in str(raised.value)


def test_messages_want_one_text_and_one_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--body and --text"):
        message_request(MessageOptions(target="x", text="a", body=tmp_path))
    with pytest.raises(SettingsError, match="--to and TARGET"):
        message_request(MessageOptions(target="x", to="y"))
