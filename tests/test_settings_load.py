"""Settings of loads."""

from __future__ import annotations

import ipaddress

import pytest

from picosip_server.engine.load.distributions import Constant
from picosip_server.engine.load.script import Outcome
from picosip_server.engine.load.targets import LOOPBACK, AllowedName, AllowedNetwork
from picosip_server.settings import load
from picosip_server.settings_file import SettingsError
from picosip_server.settings_load import auto_answer, load_targets


def test_by_default_loads_stay_on_this_machine_and_nothing_is_answered() -> None:
    settings = load({})
    assert load_targets(settings).allowed == LOOPBACK
    assert auto_answer(settings) is None
    assert settings.max_loads == 16


def test_targets_are_networks_addresses_and_names() -> None:
    given = ("10.0.0.0/8", "192.0.2.7", "192.0.2.8:5070", "2001:db8::1", "SBC.Example.com.:5060")
    assert load_targets(load({"load_target": given})).allowed == (
        AllowedNetwork(ipaddress.ip_network("10.0.0.0/8")),
        AllowedNetwork(ipaddress.ip_network("192.0.2.7")),
        AllowedNetwork(ipaddress.ip_network("192.0.2.8"), 5070),
        AllowedNetwork(ipaddress.ip_network("2001:db8::1")),
        AllowedName("sbc.example.com", 5060),
    )


def test_the_server_can_answer_by_itself() -> None:
    script = auto_answer(load({"auto_answer": True}))
    assert script is not None
    assert (script.users, script.outcomes, script.ringing) == ((), (Outcome(),), True)
    assert (script.delay, script.hold) == (None, None)
    given = {
        "auto_answer": "true",
        "auto_answer_user": ("1000", "load*"),
        "auto_answer_status": "486",
        "auto_answer_ringing": "false",
        "auto_answer_delay": "0.5",
        "auto_answer_hold": "2",
    }
    script = auto_answer(load(given))
    assert script is not None
    assert (script.users, script.ringing) == (("1000", "load*"), False)
    assert script.outcomes == (Outcome(status=486),)
    assert (script.delay, script.hold) == (Constant(0.5), Constant(2.0))


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("load_target", ("10.0.0.1/8",), "10.0.0.1/8 has host bits set"),
        ("load_target", ("a b",), "'a b' is no IP address and no host name"),
        ("load_target", ("10.0.0.1:x",), "the port must be a number"),
        ("auto_answer_status", "180", "this is no final response that can be given"),
        ("auto_answer_delay", "-1", "expected a number of seconds, 0 or more"),
        ("max_loads", "-1", "expected a whole number, 0 or more"),
    ],
)
def test_faults_are_named(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    (fault,) = caught.value.faults
    assert fault.startswith("--" + name.replace("_", "-"))
    assert line in fault
