"""Settings of the guard: what the engine gets, by default and otherwise, and what is refused."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from picosip_server.engine.config import EngineConfig
from picosip_server.engine.guard.config import GuardConfig
from picosip_server.settings import engine_config, load
from picosip_server.settings_file import SettingsError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PICOSIP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def users(tmp_path: Path) -> str:
    file = tmp_path / "users.toml"
    file.write_text('[[users]]\nuser = "a"\nrealm = "r"\npassword = "p"\n')
    return str(file)


def test_the_defaults_are_those_of_the_engine() -> None:
    config = engine_config(load({}))
    plain = EngineConfig(listeners=(), node="n1n1")
    assert config.guard == plain.guard == GuardConfig()
    assert config.challenge == plain.challenge == ("INVITE", "REGISTER")
    assert config.challenge_listeners is plain.challenge_listeners is None
    assert config.max_transactions == plain.max_transactions == 500_000


def test_what_the_guard_gets(users: str) -> None:
    config = engine_config(
        load(
            {
                "users": users,
                "challenge": ("*", "BYE"),
                "auth_failures": "3",
                "auth_failure_window": "30",
                "auth_failure_action": "block",
                "rate_limit": "2.5",
                "rate_burst": "7",
                "call_rate_limit": "1",
                "call_rate_burst": "3",
                "rate_action": "drop",
                "allow_source": ("192.0.2.0/24", "2001:db8::/32"),
                "deny_source": ("192.0.2.7",),
                "trust_source": ("10.0.0.1",),
                "block_agent": ("evil",),
                "allow_agent": ("Acme", "Linphone"),
                "block_garbage": "9",
                "block_time": "60",
                "guard_loopback": True,
                "overload_delay": "0",
                "max_transactions": "17",
            }
        )
    )
    assert config.challenge == ("*", "BYE")
    assert config.max_transactions == 17
    assert config.guard == GuardConfig(
        loopback=True,
        allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
        deny=(ip_network("192.0.2.7/32"),),
        trust=(ip_network("10.0.0.1/32"),),
        rate=2.5,
        burst=7,
        call_rate=1.0,
        call_burst=3,
        drop=True,
        block_agents=("evil",),
        allow_agents=("Acme", "Linphone"),
        garbage=9,
        block_time=60.0,
        auth_failures=3,
        auth_window=30.0,
        auth_block=True,
        overload_delay=0.0,
    )


def test_the_file_has_them_too(tmp_path: Path) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text(
        'block-agent = []\nguard-loopback = true\nallow_agent = ["Acme 7"]\nrate_limit = 3\n'
    )
    guard = engine_config(load({"config": str(file)})).guard
    assert (guard.block_agents, guard.loopback, guard.rate) == ((), True, 3.0)
    assert guard.allow_agents == ("Acme 7",)


def test_the_listeners_that_challenge_are_named_as_they_stand_in_sip(users: str) -> None:
    sip = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:127.0.0.1:0")
    for transport, expected in (("udp", {0, 2}), ("TCP", {1})):
        chosen = (f"{transport}:127.0.0.1:0",)
        settings = load({"sip": sip, "users": users, "challenge_listener": chosen})
        assert engine_config(settings).challenge_listeners == expected


def test_challenges_need_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, users: str) -> None:
    """Whoever asks for them is not to believe that strangers are kept out."""
    why = "nobody is challenged without users: give --users as well"
    sip = ("udp:127.0.0.1:0",)
    flags = {"sip": sip, "challenge": ("INVITE",), "challenge_listener": sip}
    with pytest.raises(SettingsError) as caught:
        load(flags)
    assert caught.value.faults == (f"--challenge: {why}", f"--challenge-listener: {why}")
    assert engine_config(load({**flags, "users": users})).challenge == ("INVITE",)
    file = tmp_path / "picosip.toml"
    file.write_text('challenge = ["INVITE"]\n')
    with pytest.raises(SettingsError) as caught:
        load({"config": str(file)})
    assert caught.value.faults == (f"{file}: challenge =: {why}",)
    # None at all may be asked for.
    file.write_text("challenge = []\n")
    assert engine_config(load({"config": str(file)})).challenge == ()
    monkeypatch.setenv("PICOSIP_CHALLENGE", "*")
    with pytest.raises(SettingsError) as caught:
        load({})
    assert caught.value.faults == (f"PICOSIP_CHALLENGE: {why}",)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "challenge",
            ("ACK",),
            "--challenge 'ACK': ACK and CANCEL cannot be challenged (RFC 3261 section 22.1); "
            "expected a method, such as INVITE, or * for all",
        ),
        (
            "challenge",
            ("IN VITE",),
            "--challenge 'IN VITE': this is no method; "
            "expected a method, such as INVITE, or * for all",
        ),
        (
            "challenge_listener",
            ("udp:127.0.0.1:1",),
            "--challenge-listener ('udp:127.0.0.1:1',): udp:127.0.0.1:1 is not among the "
            "listeners (--sip); expected one of the addresses of --sip, as it stands there",
        ),
        (
            "deny_source",
            ("10.0.0.1/8",),
            "--deny-source '10.0.0.1/8': 10.0.0.1/8 has host bits set; "
            "expected an address or network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32",
        ),
        (
            "allow_source",
            ("example.com",),
            "--allow-source 'example.com': 'example.com' does not appear to be an IPv4 or IPv6 "
            "network; expected an address or network, such as 192.0.2.7, 10.0.0.0/8 or "
            "2001:db8::/32",
        ),
        (
            "rate_limit",
            "-1",
            "--rate-limit '-1': expected a number for each second, 0 for no limit",
        ),
        ("rate_burst", "1.5", "--rate-burst '1.5': expected a whole number, 0 or more"),
        ("rate_action", "shout", "--rate-action 'shout': expected refuse or drop"),
        ("auth_failure_action", "hit", "--auth-failure-action 'hit': expected slow or block"),
        (
            "auth_failure_window",
            "0",
            "--auth-failure-window '0': expected a number of seconds above 0",
        ),
        ("block_time", "nan", "--block-time 'nan': expected a number of seconds, 0 for never"),
        (
            "overload_delay",
            "-1",
            "--overload-delay '-1': expected a number of seconds, 0 for never",
        ),
        ("max_transactions", "0", "--max-transactions '0': expected a whole number above 0"),
        ("guard_loopback", "perhaps", "--guard-loopback 'perhaps': expected true or false"),
        (
            "allow_agent",
            ("",),
            "--allow-agent '': it must not be empty; "
            "expected the beginning of a word in User-Agent, such as Linphone",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    assert caught.value.faults == (line,)
