"""The log: its two forms, its levels, one line for each fact, and no secret in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from picosip_server import logs
from picosip_server.log_secrets import mask_text
from picosip_server.sip.auth.users import User

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


class Log:
    """A configured log and what it wrote."""

    def __init__(self, log_format: Literal["json", "console"] = "json", level: str = "info"):
        self.stream = io.StringIO()
        logs.configure(log_format, level, self.stream)
        self.logger = structlog.get_logger()

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    def records(self) -> list[dict[str, Any]]:
        """The lines, read as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


def test_json_has_one_line_for_each_fact() -> None:
    log = Log()
    log.logger.info("call ended", call="calls/n1-1", call_id="a@b", text="two\nlines", ms=1.5)
    log.logger.bind(call="calls/n1-2").warning("call refused", status=480)
    first, second = log.records()
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "call ended",
        "level": "info",
        "call": "calls/n1-1",
        "call_id": "a@b",
        "text": "two\nlines",
        "ms": 1.5,
    }
    assert (second["call"], second["level"], second["status"]) == ("calls/n1-2", "warning", 480)


def test_the_console_form_is_for_people() -> None:
    log = Log("console")
    log.logger.info("serving", grpc="127.0.0.1:50051", text="two\nlines")
    (line,) = log.text.splitlines()
    assert "[info" in line
    assert "serving" in line
    assert line.endswith(r"grpc=127.0.0.1:50051 text='two\nlines'")
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_holds_for_both_kinds_of_logger(level: str, expected: list[str]) -> None:
    log = Log(level=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log.logger, name)("fact")
        getattr(logging.getLogger("library"), name)("fact")
    assert [record["level"] for record in log.records()] == [
        name for name in expected for _ in range(2)
    ]


def test_the_standard_librarys_logs_join_in() -> None:
    log = Log()
    logging.getLogger("grpc").warning("%s of %d, password=%s", "one", 2, SECRET)
    (record,) = log.records()
    assert record["event"] == "one of 2, password=***"
    assert record["logger"] == "grpc"
    assert record["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_is_written(log_format: Literal["json", "console"]) -> None:
    class Holder:
        def __repr__(self) -> str:
            return f"Holder(password='{SECRET}', ha1={SECRET})"

    log = Log(log_format)
    message = (
        "REGISTER sip:example.com SIP/2.0\r\n"
        f'Authorization: Digest username="alice",\r\n response="{SECRET}"\r\n'
        "Via: SIP/2.0/UDP 192.0.2.1\r\n"
    )
    log.logger.info(
        "all at once",
        password=SECRET,
        HA1=SECRET,
        Authorization=f"Digest {SECRET}",
        proxy_authorization=[SECRET],
        nested={"deep": [{"Proxy-Authorization": SECRET, "realm": "kept"}]},
        headers=[("Via", "kept"), ("authorization", f"Digest {SECRET}")],
        text=message,
        octets=message.encode(),
        escaped=repr(message),
        uri=f"<sip:alice:{SECRET}@example.com>;tag=kept",
        object=Holder(),
        user=User(realm="r", username="u", password=SECRET),
    )
    logging.getLogger("library").error("Proxy-Authorization: Digest %s", SECRET)
    try:
        raise ValueError(f"password: {SECRET}")
    except ValueError:
        log.logger.exception("failed")
        logging.getLogger("library").exception("failed")
    assert SECRET not in log.text
    assert log.text.count("kept") == 3
    assert log.text.count("192.0.2.1") == 2
    assert log.text.count("***") >= 14
    assert log.text.count("ValueError: password: ***") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Digest x=1\r\nTo: a", "Authorization: ***\r\nTo: a"),
        ("PROXY-AUTHORIZATION:Digest x=1", "PROXY-AUTHORIZATION:***"),
        ("{'Authorization': 'Digest \\'x', 'To': 'a'}", "{'Authorization': ***, 'To': 'a'}"),
        ('password = "a b" user=c', "password = *** user=c"),
        ("ha1=abc, user=c", "ha1=***, user=c"),
        ("sips:a:b@c", "sips:a:***@c"),
    ],
)
def test_what_is_masked_in_a_text(text: str, expected: str) -> None:
    assert mask_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com:5060;transport=tcp",
        "sip:example.com:5060",
        "passwords are never logged",
        'WWW-Authenticate: Digest realm="a", nonce="b"',
        "401 Unauthorized",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    assert mask_text(text) == text


def test_values_keep_their_types() -> None:
    log = Log()
    log.logger.info("fact", none=None, yes=True, list=(1, "a"), inner={"n": 1})
    (record,) = log.records()
    assert record["none"] is None
    assert record["yes"] is True
    assert record["list"] == [1, "a"]
    assert record["inner"] == {"n": 1}
    assert "password" not in record


def test_a_password_that_was_not_given_is_not_made_one() -> None:
    log = Log()
    log.logger.info("fact", password=None)
    assert log.records()[0]["password"] is None
