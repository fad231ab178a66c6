"""Groups of options that several of the commands share. A command's options are one dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from picosip.v1 import load_service_pb2 as load_pb, sip_pb2
from picosip_server.cli_load import notation
from picosip_server.cli_load.option import PATTERN, REPORT, SCRIPT, SERVER, option, switch


@dataclass(kw_only=True)
class ServerOptions:
    """Where the load is made."""

    server: Annotated[
        str | None,
        option(
            "--server",
            "ADDR:PORT",
            "Drive this picoSIP by gRPC, also unix:PATH, rather than one of this command's own.",
            SERVER,
            env="PICOSIP_LOAD_SERVER",
        ),
    ] = None
    tls: Annotated[bool, switch("--tls", "Speak TLS to it.", SERVER)] = False
    tls_ca: Annotated[
        Path | None,
        option(
            "--tls-ca",
            "FILE",
            "Who signed its certificate; implies --tls.",
            SERVER,
            env="PICOSIP_LOAD_TLS_CA",
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        option(
            "--tls-cert",
            "FILE",
            "Our certificate, where it wants one.",
            SERVER,
            env="PICOSIP_LOAD_TLS_CERT",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        option("--tls-key", "FILE", "Its key.", SERVER, env="PICOSIP_LOAD_TLS_KEY"),
    ] = None
    tls_name: Annotated[
        str,
        option(
            "--tls-name",
            "NAME",
            "Name in its certificate, if it is not the host asked.",
            SERVER,
            env="PICOSIP_LOAD_TLS_NAME",
        ),
    ] = ""


@dataclass(kw_only=True)
class OwnServerOptions(ServerOptions):
    """The server, which may be one that is started for the load."""

    sip: Annotated[
        list[str] | None,
        option(
            "--sip",
            "TRANSPORT:ADDR:PORT",
            "Where the command's own server takes SIP. Repeatable.",
            SERVER,
            default="udp and tcp on any free port of 127.0.0.1",
        ),
    ] = None
    load_target: Annotated[
        list[str] | None,
        option(
            "--load-target",
            "HOST[:PORT]",
            "Where the own server may send load: a network, an address or a name. Repeatable.",
            SERVER,
            default="this machine's loopback addresses only",
        ),
    ] = None
    config: Annotated[
        Path | None,
        option("--config", "FILE", "Settings of the own server, as for picosip serve.", SERVER),
    ] = None
    server_log: Annotated[
        Path | None, option("--server-log", "FILE", "Keep the own server's log there.", SERVER)
    ] = None


@dataclass(kw_only=True)
class RunOptions(OwnServerOptions):
    """What every load has."""

    scenario: Annotated[
        Path | None,
        option(
            "--scenario",
            "FILE",
            "Begin with this LoadServiceRunRequest, in TOML or JSON (.json); options win over it.",
            SCRIPT,
        ),
    ] = None
    csv: Annotated[
        Path | None,
        option(
            "--csv",
            "FILE",
            "Values for placeholders: the first line names the columns; {column} is replaced by "
            "that of the row whose turn it is.",
            SCRIPT,
        ),
    ] = None
    header: Annotated[
        list[sip_pb2.Header] | None,
        option("--header", "'NAME: VALUE'", "Add this field. Repeatable.", SCRIPT, notation.header),
    ] = None
    seed: Annotated[
        int | None,
        option("--seed", "N", "Make the same random choices again.", PATTERN, int),
    ] = None
    progress: Annotated[
        float | None,
        option(
            "--progress",
            "TIME",
            "How often figures come in.",
            REPORT,
            notation.positive_seconds,
            default="1s",
        ),
    ] = None
    events: Annotated[
        bool, switch("--events", "Publish the load's sessions as events too.", SCRIPT)
    ] = False
    print_scenario: Annotated[
        bool,
        switch(
            "--print-scenario",
            "Only print what would be run, as JSON fit for --scenario; without secrets.",
            REPORT,
        ),
    ] = False
    detach: Annotated[
        bool,
        switch(
            "--detach",
            "With --server: begin it, print its name and leave; see list and stop.",
            SERVER,
        ),
    ] = False


@dataclass(kw_only=True)
class PatternOptions(RunOptions):
    """When new ones begin."""

    rate: Annotated[
        float | None,
        option(
            "--rate", "N", "So many in a second.", PATTERN, notation.positive_rate, default="10"
        ),
    ] = None
    ramp: Annotated[
        load_pb.RampRate | None,
        option(
            "--ramp",
            "FROM:TO:TIME",
            "From one rate to another in this time, and constant from then on.",
            PATTERN,
            notation.ramp,
        ),
    ] = None
    step: Annotated[
        load_pb.StepRate | None,
        option(
            "--step",
            "FROM:STEP:EVERY[:MAX]",
            "A rate that rises by STEP each time that EVERY has passed.",
            PATTERN,
            notation.step,
        ),
    ] = None
    poisson: Annotated[
        bool, switch("--poisson", "At random moments, at that rate on average.", PATTERN)
    ] = False
    count: Annotated[
        int | None, option("--count", "N", "So many in all, also 10k.", PATTERN, notation.count)
    ] = None
    duration: Annotated[
        float | None,
        option(
            "--duration",
            "TIME",
            "For how long new ones begin.",
            PATTERN,
            notation.positive_seconds,
            default="10s, where there is no --count",
        ),
    ] = None
    concurrent: Annotated[
        int | None,
        option(
            "--concurrent",
            "N",
            "No more than this at once; others wait for their turn.",
            PATTERN,
            notation.count,
        ),
    ] = None
