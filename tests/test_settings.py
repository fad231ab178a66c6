"""Where settings come from, what is refused and in which words, what the engine gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from picosip_server.addresses import HostPort, is_loopback, parse_host_port, unix_path
from picosip_server.engine.config import ListenerSpec
from picosip_server.settings import engine_config, load
from picosip_server.settings_file import SettingsError
from picosip_server.sip.auth.users import User


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PICOSIP_")]:
        monkeypatch.delenv(name)


def faults(**flags: object) -> tuple[str, ...]:
    """The lines with which these flags are refused."""
    with pytest.raises(SettingsError) as caught:
        load(flags)
    return caught.value.faults


def test_defaults() -> None:
    settings = load({})
    assert settings.grpc == ("127.0.0.1:50051",)
    assert settings.sip == ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    assert (settings.attach_wait, settings.answer_timeout) == (2.0, 180.0)
    assert (settings.respond_timeout, settings.offer_timeout) == (10.0, 10.0)
    assert (settings.trunk, settings.trunk_interval) == ((), 30.0)
    assert (settings.drain_timeout, settings.event_log_size) == (30.0, 100_000)
    assert (settings.stream_batch, settings.stream_delay) == (64, 0.002)
    assert settings.stream_commands == 50_000
    assert (settings.workers, settings.max_calls) == (0, 200_000)
    assert (settings.metrics, settings.users, settings.ready_file) == (None, None, None)
    assert (settings.instance_id, settings.register_rate) == ("", 100.0)
    assert settings.log_level == "info"


def test_each_start_has_another_node() -> None:
    nodes = {load({}).node for _ in range(20)}
    assert len(nodes) == 20
    assert all(4 <= len(node) <= 8 for node in nodes)


def test_flag_wins_over_environment_over_file_over_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text("attach-wait = 1\nanswer_timeout = 1\noffer_timeout = 1\n")
    monkeypatch.setenv("PICOSIP_ATTACH_WAIT", "2.5")
    monkeypatch.setenv("PICOSIP_ANSWER_TIMEOUT", "2")
    settings = load({"config": str(file), "attach_wait": "3"})
    assert settings.attach_wait == 3.0
    assert settings.answer_timeout == 2.0
    assert settings.offer_timeout == 1.0
    assert settings.respond_timeout == 10.0


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text('node = "abcd"\n')
    monkeypatch.setenv("PICOSIP_CONFIG", str(file))
    assert load({}).node == "abcd"


@pytest.mark.parametrize(
    "text", ["udp:10.0.0.1:5060,tcp:[::1]:0", " udp:10.0.0.1:5060  tcp:[::1]:0 ,"]
)
def test_several_values_in_the_environment(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICOSIP_SIP", text)
    assert load({}).sip == ("udp:10.0.0.1:5060", "tcp:[::1]:0")


def test_several_values_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text('grpc = ["unix:/run/picosip.sock", "[::1]:50051"]\nmax-calls = 5\n')
    settings = load({"config": file})
    assert settings.grpc == ("unix:/run/picosip.sock", "[::1]:50051")
    assert settings.max_calls == 5


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICOSIP_METRICS", "")
    assert load({}).metrics is None


def test_variables_that_are_no_settings_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kubernetes sets such ones for a Service called picosip.
    monkeypatch.setenv("PICOSIP_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("PICOSIP_PORT", "tcp://10.0.0.1:5060")
    assert load({}).sip == ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "sip",
            ("udp:127.0.0.1",),
            "--sip 'udp:127.0.0.1': the port is missing; "
            "expected TRANSPORT:ADDR:PORT, such as udp:0.0.0.0:5060 or tcp:[::]:5060",
        ),
        (
            "sip",
            ("sctp:127.0.0.1:80",),
            "--sip 'sctp:127.0.0.1:80': "
            "the transport must be one of udp, tcp, tls, ws, wss, not 'sctp'; "
            "expected TRANSPORT:ADDR:PORT, such as udp:0.0.0.0:5060 or tcp:[::]:5060",
        ),
        (
            "sip",
            ("udp:localhost:5060",),
            "--sip 'udp:localhost:5060': an IP address of this machine is needed, not the name "
            "'localhost'; "
            "expected TRANSPORT:ADDR:PORT, such as udp:0.0.0.0:5060 or tcp:[::]:5060",
        ),
        (
            "grpc",
            ("::1:50051",),
            "--grpc '::1:50051': an IPv6 address stands in brackets, as in [::1]:5060; "
            "expected ADDR:PORT or unix:PATH, such as 127.0.0.1:50051",
        ),
        (
            "grpc",
            ("127.0.0.1:65536",),
            "--grpc '127.0.0.1:65536': the port must be a number from 0 to 65535, not '65536'; "
            "expected ADDR:PORT or unix:PATH, such as 127.0.0.1:50051",
        ),
        (
            "grpc",
            ("unix:",),
            "--grpc 'unix:': the path after unix: is missing; "
            "expected ADDR:PORT or unix:PATH, such as 127.0.0.1:50051",
        ),
        (
            "outbound_proxy",
            "tel:123",
            "--outbound-proxy 'tel:123': the scheme must be sip or sips, not 'tel'; "
            "expected a SIP URI, such as sip:proxy.example.com;lr",
        ),
        (
            "instance_id",
            "uuid:1",
            "--instance-id 'uuid:1': this is no URN; "
            "expected a URN, such as urn:uuid:00000000-0000-1000-8000-000a95a0e128",
        ),
        (
            "register_rate",
            "-1",
            "--register-rate '-1': expected a number of REGISTERs in a second, 0 for no bound",
        ),
        (
            "stream_delay",
            "2",
            "--stream-delay '2': expected a number of seconds from 0 to 1",
        ),
        ("stream_batch", "0", "--stream-batch '0': expected a whole number above 0"),
        ("stream_commands", "0", "--stream-commands '0': expected a whole number above 0"),
        (
            "accept",
            ("xml",),
            "--accept 'xml': this is no media type; "
            "expected a media type, such as application/pidf+xml",
        ),
        (
            "allow_event",
            ("a b",),
            "--allow-event 'a b': this is no event package; "
            "expected an event package, such as presence",
        ),
        (
            "min_subscription",
            "-1",
            "--min-subscription '-1': expected a number of seconds, 0 or more",
        ),
        (
            "advertise",
            "300.1.1.1",
            "--advertise '300.1.1.1': '300.1.1.1' is no IP address and no host name; "
            "expected HOST[:PORT], such as sip.example.com or 203.0.113.7:5060",
        ),
        ("workers", "many", "--workers 'many': expected a whole number from 0 to 256"),
        ("attach_wait", "0", "--attach-wait '0': expected a number of seconds above 0"),
        ("attach_wait", "nan", "--attach-wait 'nan': expected a number of seconds above 0"),
        ("drain_timeout", "-1", "--drain-timeout '-1': expected a number of seconds, 0 or more"),
        ("log_format", "xml", "--log-format 'xml': expected json or console"),
        (
            "node",
            "Node_1",
            "--node 'Node_1': this is no name of a node; "
            "expected 4 to 8 of the characters a-z and 0-9",
        ),
        (
            "users",
            "/nowhere/users.toml",
            "--users '/nowhere/users.toml': cannot be read: No such file or directory",
        ),
        (
            "ready_file",
            "/nowhere/ready.json",
            "--ready-file '/nowhere/ready.json': the folder /nowhere is missing or cannot be "
            "written",
        ),
    ],
)
def test_a_wrong_value_is_refused_in_one_line(name: str, value: object, line: str) -> None:
    assert faults(**{name: value}) == (line,)


def test_all_faults_are_told_at_once() -> None:
    lines = faults(workers="x", log_level="loud", grpc=("a",))
    assert [line.split()[0] for line in lines] == ["--grpc", "--workers", "--log-level"]


def test_a_fault_names_where_the_value_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text("max_calls = 0\nworkers = 1\n")
    monkeypatch.setenv("PICOSIP_WORKERS", "-1")
    assert faults(config=file) == (
        "PICOSIP_WORKERS '-1': expected a whole number from 0 to 256",
        f"{file}: max_calls = 0: expected a whole number above 0",
    )


def test_keys_of_the_file_that_are_no_settings(tmp_path: Path) -> None:
    file = tmp_path / "picosip.toml"
    file.write_text("worker = 1\nconfig = 'x'\nlog-level = 'info'\nlog_level = 'debug'\n")
    assert faults(config=file) == (
        f"--config {file}: 'worker' is no setting; did you mean workers?",
        f"--config {file}: 'config' is no setting",
        f"--config {file}: log_level is there twice, with dash and underscore",
    )


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "picosip.toml"
    assert faults(config=file) == (f"--config {file}: cannot be read: No such file or directory",)
    file.write_text("workers = \n")
    (line,) = faults(config=file)
    assert line.startswith(f"--config {file}: is not TOML: ")
    assert "line 1" in line
    file.write_bytes(b"node = '\xff'\n")
    assert faults(config=file) == (f"--config {file}: is not UTF-8 (octet 8)",)


def test_no_address_twice_but_port_0() -> None:
    (line,) = faults(sip=("udp:127.0.0.1:5060", "UDP:127.0.0.1:5060"))
    assert "udp:127.0.0.1:5060 is there twice" in line
    settings = load({"sip": ("udp:127.0.0.1:0", "udp:127.0.0.1:0")})
    assert len(engine_config(settings).listeners) == 2


def test_the_metrics_have_an_address_of_their_own() -> None:
    (line,) = faults(metrics="127.0.0.1:50051")
    assert line.startswith("--metrics '127.0.0.1:50051': this address is one of --grpc already")
    assert load({"metrics": "[::1]:0"}).metrics_address == HostPort("::1", 0)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """PEM files: a certificate with its key, another one's key, an authority, one that is none."""
    folder = tmp_path_factory.mktemp("tls")
    names = ("cert", "key", "other_key", "ca", "junk")
    files = {name: folder / f"{name}.pem" for name in names}
    authority = trustme.CA()
    ours, other = authority.issue_cert("sip.example.com"), authority.issue_cert("example.org")
    ours.cert_chain_pems[0].write_to_path(files["cert"])
    ours.private_key_pem.write_to_path(files["key"])
    other.private_key_pem.write_to_path(files["other_key"])
    authority.cert_pem.write_to_path(files["ca"])
    files["junk"].write_text("no certificate")
    return files


def test_tls(tls: dict[str, Path]) -> None:
    settings = load({"tls_cert": tls["cert"], "tls_key": tls["key"], "tls_client_ca": tls["ca"]})
    assert settings.tls_cert == tls["cert"]
    assert settings.tls_key == tls["key"]
    assert settings.tls_client_ca == tls["ca"]


def test_tls_needs_certificate_and_key(tls: dict[str, Path]) -> None:
    cert, key, ca = tls["cert"], tls["key"], tls["ca"]
    both = "a certificate (--tls-cert) and its key (--tls-key) need each other"
    assert faults(tls_cert=cert) == (f"--tls-key: {both}",)
    assert faults(tls_key=key) == (f"--tls-key '{key}': {both}",)
    assert faults(tls_client_ca=ca) == (
        f"--tls-client-ca '{ca}': clients can only be verified over TLS: --tls-cert is missing",
    )


def test_certificates_are_looked_over(tls: dict[str, Path], tmp_path: Path) -> None:
    cert, key, other_key, junk = tls["cert"], tls["key"], tls["other_key"], tls["junk"]
    missing = tmp_path / "none.pem"
    assert faults(tls_cert=missing, tls_key=key) == (
        f"--tls-cert '{missing}': cannot be read: No such file or directory",
    )
    assert faults(tls_cert=cert, tls_key=other_key) == (
        f"--tls-key '{other_key}': {other_key} is not the key of {cert}",
    )
    assert faults(tls_cert=junk, tls_key=key) == (
        f"--tls-key '{key}': {junk} and {key} must be a certificate and its key without "
        "passphrase, both PEM",
    )
    assert faults(tls_cert=cert, tls_key=key, tls_client_ca=junk) == (
        f"--tls-client-ca '{junk}': {junk} must have certificates in PEM",
    )


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(
    tls: dict[str, Path], tmp_path: Path
) -> None:
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(tls["key"].read_bytes(), password=None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    (line,) = faults(tls_cert=tls["cert"], tls_key=locked)
    assert line.endswith("must be a certificate and its key without passphrase, both PEM")


def test_each_fault_of_the_users_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "users.toml"
    file.write_text('[[users]]\nuser = "alice"\n')
    assert faults(users=file) == (
        f"--users '{file}': [[users]] number 1: realm is missing",
        f"--users '{file}': [[users]] number 1: exactly one of password and ha1 is needed",
    )


def test_what_the_engine_gets(tmp_path: Path) -> None:
    users = tmp_path / "users.toml"
    users.write_text('realm = "example.com"\n[[users]]\nuser = "alice"\npassword = "w"\n')
    config = engine_config(
        load(
            {
                "sip": ("udp:127.0.0.1:5062", "tcp:[::1]:0"),
                "advertise": "[2001:db8::1]:5070",
                "outbound_proxy": "sip:proxy.example.com;lr",
                "accept": ("Application/PIDF+xml",),
                "trunk": ("sip:A.example.com", "sips:b.example.com"),
                "trunk_interval": "9",
                "min_subscription": "60",
                "allow_event": ("dialog", "reg"),
                "instance_id": "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "register_rate": "0.5",
                "users": users,
                "node": "n1n1",
                "workers": "3",
                "attach_wait": "1",
                "answer_timeout": "2",
                "respond_timeout": "3",
                "offer_timeout": "4",
                "max_calls": "5",
            }
        )
    )
    assert config.listeners == (
        ListenerSpec(transport="UDP", host="127.0.0.1", port=5062),
        ListenerSpec(transport="TCP", host="::1", port=0),
    )
    assert (config.advertise_host, config.advertise_port) == ("2001:db8::1", 5070)
    assert config.outbound_proxy == "sip:proxy.example.com;lr"
    assert config.accept == ("application/pidf+xml",)
    assert config.trunks == ("sip:A.example.com", "sips:b.example.com")
    assert config.trunk_interval == 9.0
    assert (config.min_expires, config.allow_events) == (60.0, ("dialog", "reg"))
    assert config.instance_id == "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert config.register_rate == 0.5
    assert config.users == (User(realm="example.com", username="alice", password="w"),)
    assert (config.node, config.workers, config.max_calls) == ("n1n1", 3, 5)
    assert (config.attach_wait, config.answer_timeout) == (1.0, 2.0)
    assert (config.respond_timeout, config.offer_timeout) == (3.0, 4.0)


def test_nothing_is_advertised_by_default() -> None:
    config = engine_config(load({}))
    assert (config.advertise_host, config.advertise_port) == ("", 0)
    config = engine_config(load({"advertise": "sip.example.com"}))
    assert (config.advertise_host, config.advertise_port) == ("sip.example.com", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5060", HostPort("127.0.0.1", 5060)),
        ("[::]:0", HostPort("::", 0)),
        ("sip.example.com.:65535", HostPort("sip.example.com.", 65535)),
        ("a-1:1", HostPort("a-1", 1)),
    ],
)
def test_addresses_are_read_and_written_back(text: str, expected: HostPort) -> None:
    assert parse_host_port(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text", ["", ":5060", "a", "a:", "a:x", "a:-1", "a:٣", "[127.0.0.1]:1", "[::1", "a b:1", "-a:1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse_host_port(text)


def test_kinds_of_address() -> None:
    assert unix_path("unix:/run/x") == "/run/x"
    assert unix_path("127.0.0.1:1") is None
    assert is_loopback("127.8.8.8") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("example.com")


@pytest.mark.parametrize("listener", ["tls:127.0.0.1:0", "wss:127.0.0.1:0"])
def test_a_secure_listener_needs_a_certificate(listener: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"sip": (listener,)})
    assert f"{listener} needs a certificate: give --sip-tls-cert and its key" in str(caught.value)


def test_certificates_for_sip(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("sip.example.com")
    cert, key, ca = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(ca))
    given = {"sip": ("tls:127.0.0.1:0",), "sip_tls_cert": str(cert), "sip_tls_key": str(key)}
    config = engine_config(load({**given, "sip_tls_ca": str(ca), "sip_tls_verify_client": "true"}))
    assert (config.tls.cert, config.tls.key, config.tls.ca) == (str(cert), str(key), str(ca))
    assert config.tls.verify_client
    with pytest.raises(SettingsError) as caught:
        load({**given, "sip_tls_client_cert": str(cert)})
    assert "need each other" in str(caught.value)
