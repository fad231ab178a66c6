"""The options of each kind of load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load import notation
from picosip_server.cli_load.option import PATTERN, SCRIPT, option, switch
from picosip_server.cli_load.options import PatternOptions, RunOptions
from picosip_server.cli_load.report_options import ReportOptions

_DISTRIBUTION = "TIME|KIND:..."


def _target(what: str) -> object:
    return typer.Argument(
        metavar="TARGET", help=f"{what} May hold placeholders.", show_default=False
    )


@dataclass(kw_only=True)
class UacOptions(PatternOptions, ReportOptions):
    """What all that send requests have."""

    target: Annotated[
        str | None,
        _target("Where it goes: a SIP URI, or HOST:PORT."),
    ] = None
    user: Annotated[
        str | None, option("--user", "NAME", "Who authenticates by digest.", SCRIPT)
    ] = None
    password: Annotated[
        str | None,
        option(
            "--password",
            "TEXT",
            "That user's password. Others of this machine see a command line: better in the "
            "environment.",
            SCRIPT,
            env="PICOSIP_LOAD_PASSWORD",
        ),
    ] = None
    route: Annotated[
        list[str] | None,
        option("--route", "URI", "Go through this proxy. Repeatable, nearest first.", SCRIPT),
    ] = None


@dataclass(kw_only=True)
class Addressed(UacOptions):
    """What all that have two ends have."""

    from_: Annotated[
        str | None,
        option("--from", "URI", "Who sends.", SCRIPT, default="sip:load@anonymous.invalid"),
    ] = None
    to: Annotated[str | None, option("--to", "URI", "To.", SCRIPT, default="TARGET")] = None


@dataclass(kw_only=True)
class CallOptions(Addressed):
    """Of ``picosip load calls``."""

    hold: Annotated[
        load_pb.Distribution | None,
        option(
            "--hold",
            _DISTRIBUTION,
            "From the answer to the BYE: 30s, uniform:10s:60s, exp:30s (its mean), "
            "normal:30s:5s (mean and deviation).",
            SCRIPT,
            notation.distribution,
            default="0s",
        ),
    ] = None
    sdp: Annotated[
        Path | None,
        option("--sdp", "FILE", "Offer this description.", SCRIPT, default="one audio stream"),
    ] = None
    no_sdp: Annotated[bool, switch("--no-sdp", "Offer nothing.", SCRIPT)] = False


@dataclass(kw_only=True)
class RegisterOptions(UacOptions):
    """Of ``picosip load register``."""

    aor: Annotated[
        str | None,
        option(
            "--aor",
            "URI",
            "Address of record.",
            SCRIPT,
            default="sip:load{n}@ and the host of TARGET",
        ),
    ] = None
    expires: Annotated[
        float | None,
        option("--expires", "TIME", "Ask for so long.", SCRIPT, notation.positive_seconds),
    ] = None
    hold: Annotated[
        load_pb.Distribution | None,
        option(
            "--hold",
            _DISTRIBUTION,
            "Remove each binding after so long.",
            SCRIPT,
            notation.distribution,
            default="all when the load ends",
        ),
    ] = None


@dataclass(kw_only=True)
class MessageOptions(Addressed):
    """Of ``picosip load messages``."""

    text: Annotated[
        str | None, option("--text", "TEXT", "What it says.", SCRIPT, default="load {n}")
    ] = None
    body: Annotated[
        Path | None, option("--body", "FILE", "Send the content of this file.", SCRIPT)
    ] = None
    content_type: Annotated[
        str | None, option("--content-type", "TYPE", "Its type.", SCRIPT, default="text/plain")
    ] = None


@dataclass(kw_only=True)
class AnswerOptions(RunOptions, ReportOptions):
    """Of ``picosip load answer``."""

    users: Annotated[
        list[str] | None,
        option(
            "--users",
            "USER",
            "Answer calls to this user part only; a * may stand at its end. Repeatable.",
            SCRIPT,
            default="all",
        ),
    ] = None
    status: Annotated[
        list[load_pb.Outcome] | None,
        option(
            "--status",
            "CODE[=WEIGHT]",
            "A share of the calls gets this. Repeatable, as in --status 200=9 --status 486=1.",
            SCRIPT,
            notation.outcome,
            default="200",
        ),
    ] = None
    ringing: Annotated[bool, switch("--ringing", "Send 180 at once.", SCRIPT)] = False
    delay: Annotated[
        load_pb.Distribution | None,
        option(
            "--delay",
            _DISTRIBUTION,
            "From the INVITE to its final response, as --hold of calls.",
            SCRIPT,
            notation.distribution,
            default="0s",
        ),
    ] = None
    hold: Annotated[
        load_pb.Distribution | None,
        option(
            "--hold",
            _DISTRIBUTION,
            "Hang up so long after the ACK.",
            SCRIPT,
            notation.distribution,
            default="the caller does",
        ),
    ] = None
    sdp: Annotated[
        Path | None,
        option("--sdp", "FILE", "Answer with this description.", SCRIPT, default="the offer's"),
    ] = None
    duration: Annotated[
        float | None,
        option(
            "--duration",
            "TIME",
            "For how long.",
            PATTERN,
            notation.positive_seconds,
            default="until stopped",
        ),
    ] = None
