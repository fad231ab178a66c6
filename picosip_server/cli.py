"""The command line: ``picosip serve``, ``picosip health`` and ``picosip load``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import structlog
import typer

from picosip_server import cli_guard as guard, cli_loads as loads, cli_names as names, logs
from picosip_server.cli_health import health
from picosip_server.cli_load.app import app as load_app
from picosip_server.cli_option import option as _option
from picosip_server.form import is_compiled
from picosip_server.settings import load
from picosip_server.settings_file import SettingsError
from picosip_server.users import readable_by_others

PROGRAM = "picosip"
_USAGE_STATUS = 2

_ADDRESSES = "Where it serves"
_SIP = "SIP"
_ACCESS = "Who may use it"
_TIMES = "Times, in seconds"
_LIMITS = "Size"
_RUNNING = "Running it"

_EPILOG = (
    "Each option is also an environment variable (PICOSIP_LOG_LEVEL=debug; several values with "
    'commas between them) and a key of the TOML file (log_level = "debug"; several values as a '
    "list). Flags win over the environment, and that over the file.",
    "Examples:",
    "picosip serve",
    "picosip serve --grpc 0.0.0.0:50051 --metrics 127.0.0.1:9090",
    "picosip serve --sip udp:10.0.0.5:5060 --users users.toml",
    "picosip serve --config picosip.toml --log-level debug",
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {version('picosip-server')}{' (compiled)' * is_compiled()}")
        raise typer.Exit


@app.callback()
def _program(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """picoSIP: SIP sessions as a gRPC service."""


@app.command(
    help="Serve SIP sessions over gRPC.\n\nSIGTERM and SIGINT drain: no new calls, those that run "
    "get --drain-timeout. A second one ends at once.",
    epilog="\n\n".join(_EPILOG),
)
def serve(
    context: typer.Context,
    grpc: Annotated[
        list[str] | None,
        _option("grpc", "ADDR:PORT", "Take gRPC here; also unix:PATH. Repeatable.", _ADDRESSES),
    ] = None,
    sip: Annotated[
        list[str] | None,
        _option(
            "sip",
            "TRANSPORT:ADDR:PORT",
            "Take SIP here: udp, tcp, tls, ws or wss; IPv6 in brackets, port 0 for any free one. "
            "Repeatable.",
            _ADDRESSES,
        ),
    ] = None,
    sip_tls_cert: Annotated[
        str | None,
        _option(
            "sip_tls_cert",
            "FILE",
            "Certificate chain for SIP over TLS and WSS, PEM; read again when it changes.",
            _ADDRESSES,
        ),
    ] = None,
    sip_tls_key: Annotated[
        str | None, _option("sip_tls_key", "FILE", "Its key, PEM.", _ADDRESSES)
    ] = None,
    sip_tls_ca: Annotated[
        str | None,
        _option(
            "sip_tls_ca",
            "FILE",
            "Authorities that SIP peers' certificates are checked by.",
            _ADDRESSES,
            "those of the system",
        ),
    ] = None,
    sip_tls_client_cert: Annotated[
        str | None,
        _option(
            "sip_tls_client_cert",
            "FILE",
            "Certificate chain to show where this server connects.",
            _ADDRESSES,
            "--sip-tls-cert",
        ),
    ] = None,
    sip_tls_client_key: Annotated[
        str | None, _option("sip_tls_client_key", "FILE", "Its key, PEM.", _ADDRESSES)
    ] = None,
    sip_tls_verify_client: Annotated[
        str | None,
        _option(
            "sip_tls_verify_client",
            "BOOL",
            "Whether SIP peers that connect by TLS must show a certificate.",
            _ADDRESSES,
            "false",
        ),
    ] = None,
    advertise: Annotated[
        str | None,
        _option(
            "advertise",
            "HOST[:PORT]",
            "What Via and Contact say, behind NAT or in a container.",
            _ADDRESSES,
            "the address of the socket",
        ),
    ] = None,
    metrics: Annotated[
        str | None, _option("metrics", "ADDR:PORT", "Metrics for Prometheus.", _ADDRESSES)
    ] = None,
    outbound_proxy: Annotated[
        str | None,
        _option("outbound_proxy", "URI", "Send requests outside dialogs through it.", _SIP),
    ] = None,
    instance_id: Annotated[
        str | None,
        _option(
            "instance_id",
            "URN",
            "Show it in all registrations, as +sip.instance, and ask for GRUUs.",
            _SIP,
            "only where RFC 5626 is asked for, one made from --node",
        ),
    ] = None,
    register_rate: Annotated[
        str | None,
        _option("register_rate", "N", "REGISTERs begun in a second at most; 0: no bound.", _LIMITS),
    ] = None,
    accept: Annotated[
        list[str] | None,
        _option(
            "accept",
            "TYPE",
            "Take bodies of this type in an INVITE besides application/sdp. Repeatable.",
            _SIP,
        ),
    ] = None,
    allow_event: Annotated[
        list[str] | None,
        _option(
            "allow_event",
            "PACKAGE",
            "Event package that others may subscribe to; without any: all. Repeatable.",
            _SIP,
        ),
    ] = None,
    trunk: Annotated[
        list[str] | None,
        _option(
            "trunk",
            "URI",
            "Ping it by OPTIONS; whether it answers is in the metrics, GetStats and the log. "
            "Repeatable.",
            _SIP,
        ),
    ] = None,
    users: Annotated[
        str | None,
        _option(
            "users",
            "FILE",
            "Who may authenticate by digest; the TOML file holds [[users]] "
            "with user, realm, and password or ha1.",
            _ACCESS,
        ),
    ] = None,
    tls_cert: Annotated[
        str | None, _option("tls_cert", "FILE", "Certificate chain for gRPC, PEM.", _ACCESS)
    ] = None,
    tls_key: Annotated[str | None, _option("tls_key", "FILE", "Its key, PEM.", _ACCESS)] = None,
    tls_client_ca: Annotated[
        str | None,
        _option("tls_client_ca", "FILE", "gRPC clients need a certificate signed by it.", _ACCESS),
    ] = None,
    attach_wait: Annotated[
        str | None,
        _option(
            "attach_wait",
            "SECONDS",
            "How long an incoming call waits where no application listens.",
            _TIMES,
        ),
    ] = None,
    answer_timeout: Annotated[
        str | None,
        _option(
            "answer_timeout",
            "SECONDS",
            "How long it waits for an answer where one listens.",
            _TIMES,
        ),
    ] = None,
    respond_timeout: Annotated[
        str | None,
        _option(
            "respond_timeout", "SECONDS", "How long another request waits for Respond.", _TIMES
        ),
    ] = None,
    trunk_interval: Annotated[
        str | None,
        _option("trunk_interval", "SECONDS", "How often each trunk is pinged.", _TIMES),
    ] = None,
    offer_timeout: Annotated[
        str | None,
        _option(
            "offer_timeout", "SECONDS", "How long the far end's offer waits for Answer.", _TIMES
        ),
    ] = None,
    session_expires: Annotated[
        str | None,
        _option(
            "session_expires",
            "SECONDS",
            "Session timer that calls from here ask for (RFC 4028); 0: none.",
            _TIMES,
        ),
    ] = None,
    min_se: Annotated[
        str | None,
        _option(
            "min_se",
            "SECONDS",
            "Shortest session timer taken from others; less gets 422. The RFC wants 90 or more.",
            _TIMES,
        ),
    ] = None,
    min_subscription: Annotated[
        str | None,
        _option(
            "min_subscription",
            "SECONDS",
            "Shortest subscription granted to others; less gets 423.",
            _TIMES,
        ),
    ] = None,
    drain_timeout: Annotated[
        str | None,
        _option(
            "drain_timeout", "SECONDS", "How long calls go on after SIGTERM, before BYE.", _TIMES
        ),
    ] = None,
    workers: Annotated[
        str | None,
        _option(
            "workers",
            "N",
            "Threads of the SIP engine.",
            _LIMITS,
            "the event loop's own, or one a core without the GIL",
        ),
    ] = None,
    max_calls: Annotated[
        str | None, _option("max_calls", "N", "Calls at once; further ones are refused.", _LIMITS)
    ] = None,
    event_log_size: Annotated[
        str | None,
        _option("event_log_size", "N", "Events kept for applications that resume.", _LIMITS),
    ] = None,
    stream_batch: Annotated[
        str | None,
        _option("stream_batch", "N", "How many events or results wait for no others.", _LIMITS),
    ] = None,
    stream_delay: Annotated[
        str | None,
        _option(
            "stream_delay",
            "SECONDS",
            "How long events and results are gathered for one response under load.",
            _TIMES,
        ),
    ] = None,
    stream_commands: Annotated[
        str | None,
        _option(
            "stream_commands",
            "N",
            "Commands without a result, on one Control stream, before no more are read.",
            _LIMITS,
        ),
    ] = None,
    load_target: loads.LoadTarget = None,
    max_loads: loads.MaxLoads = None,
    auto_answer: loads.AutoAnswer = None,
    auto_answer_user: loads.AutoAnswerUser = None,
    auto_answer_status: loads.AutoAnswerStatus = None,
    auto_answer_ringing: loads.AutoAnswerRinging = None,
    auto_answer_delay: loads.AutoAnswerDelay = None,
    auto_answer_hold: loads.AutoAnswerHold = None,
    dns_server: names.DnsServer = None,
    dns_timeout: names.DnsTimeout = None,
    sip_t1: names.SipT1 = None,
    idle_timeout: names.IdleTimeout = None,
    challenge: guard.Challenge = None,
    challenge_listener: guard.ChallengeListener = None,
    auth_failures: guard.AuthFailures = None,
    auth_failure_window: guard.AuthFailureWindow = None,
    auth_failure_action: guard.AuthFailureAction = None,
    allow_source: guard.AllowSource = None,
    deny_source: guard.DenySource = None,
    trust_source: guard.TrustSource = None,
    rate_limit: guard.RateLimit = None,
    rate_burst: guard.RateBurst = None,
    call_rate_limit: guard.CallRateLimit = None,
    call_rate_burst: guard.CallRateBurst = None,
    rate_action: guard.RateAction = None,
    block_agent: guard.BlockAgent = None,
    allow_agent: guard.AllowAgent = None,
    block_garbage: guard.BlockGarbage = None,
    block_time: guard.BlockTime = None,
    guard_loopback: guard.GuardLoopback = None,
    overload_delay: guard.OverloadDelay = None,
    max_transactions: guard.MaxTransactions = None,
    config: Annotated[
        str | None, _option("config", "FILE", "Read settings from this TOML file.", _RUNNING)
    ] = None,
    node: Annotated[
        str | None,
        _option(
            "node",
            "NAME",
            "This server's part of resource names, 4 to 8 of a-z and 0-9.",
            _RUNNING,
            "another one at each start",
        ),
    ] = None,
    log_format: Annotated[
        str | None,
        _option(
            "log_format",
            "json|console",
            "How the log on stderr looks.",
            _RUNNING,
            "console on a terminal, else json",
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        _option("log_level", "LEVEL", "debug, info, warning or error.", _RUNNING),
    ] = None,
    ready_file: Annotated[
        str | None,
        _option(
            "ready_file",
            "FILE",
            "Write the addresses really bound there, as JSON, once it serves.",
            _RUNNING,
        ),
    ] = None,
) -> None:
    """Checks the settings and runs the server."""
    settings = load(_given(context))
    logs.configure(settings.log_format, settings.log_level)
    log = structlog.get_logger()
    if settings.users is not None and readable_by_others(settings.users.path):
        log.warning("users file is readable by everybody", path=str(settings.users.path))
    # Only now: `--help` and wrong settings need not wait for gRPC's libraries.
    from picosip_server.service.server import run

    raise typer.Exit(run(settings))


app.command()(health)
app.add_typer(load_app, name="load")


def _given(context: typer.Context) -> dict[str, object]:
    """The options that stood on the command line."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in context.params.items()
        if value not in (None, [], ())
    }


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command and exits: 2 where arguments or settings are at fault, a line for each."""
    try:
        status = app(
            args=None if arguments is None else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except typer.TyperException as error:
        # Empty where the help was printed instead, for want of a command.
        _refuse(*filter(None, [error.format_message()]))
    except SettingsError as error:
        _refuse(*error.faults)
    sys.exit(status)


def _refuse(*faults: str) -> NoReturn:
    for fault in faults:
        print(f"{PROGRAM}: {fault}", file=sys.stderr)
    sys.exit(_USAGE_STATUS)
