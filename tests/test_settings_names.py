"""Settings of how peers are found."""

from __future__ import annotations

import pytest

from picosip_server.settings import engine_config, load
from picosip_server.settings_file import SettingsError
from picosip_server.sip.timers import Timers


def test_name_servers_and_times_reach_the_engine() -> None:
    given = {
        "dns_server": ("192.0.2.53", "192.0.2.54:5353", "[2001:db8::53]", "2001:db8::54"),
        "dns_timeout": "1.5",
        "sip_t1": "0.25",
        "idle_timeout": "16",
    }
    config = engine_config(load(given))
    assert config.dns_servers == (
        ("192.0.2.53", 53),
        ("192.0.2.54", 5353),
        ("2001:db8::53", 53),
        ("2001:db8::54", 53),
    )
    assert config.dns_timeout == 1.5
    # T2 and T4 are the network's, whatever the round trip.
    assert config.timers == Timers(t1=0.25, t2=4.0, t4=5.0)
    # RFC 3261 section 18: as long as a transaction, which is 64 times T1.
    assert config.idle_timeout == 16.0
    assert engine_config(load({"idle_timeout": "0"})).idle_timeout == 0.0


def test_by_default_the_system_and_the_rfc_decide() -> None:
    config = engine_config(load({}))
    assert (config.dns_servers, config.dns_timeout, config.timers) == ((), 5.0, Timers())
    assert config.idle_timeout == 300.0


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("dns_server", ("ns.test",), "an IP address is needed, not the name 'ns.test'"),
        ("dns_server", ("192.0.2.53:0",), "the port must not be 0"),
        ("dns_server", ("192.0.2.53:x",), "the port must be a number from 0 to 65535, not 'x'"),
        ("dns_server", ("192.0.2.53", "192.0.2.53:53"), "192.0.2.53:53 is there twice"),
        ("dns_timeout", "0", "expected a number of seconds above 0"),
        ("sip_t1", "-1", "expected a number of seconds above 0"),
        ("idle_timeout", "31.9", "a transaction may take 32 s; expected a number of seconds, "),
        ("idle_timeout", "-1", "expected a number of seconds, at least 64 times --sip-t1, or 0"),
    ],
)
def test_faults_are_named(name: str, value: object, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: value})
    (fault,) = caught.value.faults
    assert fault.startswith("--" + name.replace("_", "-"))
    assert line in fault
