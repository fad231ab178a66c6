"""The commands of ``picosip load``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

from picosip.v1 import load_service_pb2 as load_pb
from picosip_server.cli_load import manage, requests, subjects
from picosip_server.cli_load.command import add_command
from picosip_server.cli_load.connection import CannotRun, Connection, connected
from picosip_server.cli_load.options import RunOptions
from picosip_server.cli_load.outcome import CANNOT_RUN, OK, Judge
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.run import Interruptions, follow
from picosip_server.cli_load.scenario import shown
from picosip_server.cli_load.view import Lines, Picture, View
from picosip_server.settings_file import SettingsError

Options = TypeVar("Options")
Run = TypeVar("Run", bound=RunOptions)

_ABOUT = """Make load, measure it, and say by the exit status whether it went well.

The load is made inside a picoSIP: one that is started for it on this machine, or that of --server.
It goes to loopback addresses only, unless that server is told otherwise by --load-target.

In all texts that are sent, {n} is the number of the one that begins, from 0 on; {n:05} has leading
zeros, {n%100} counts from 0 to 99 again and again, and {column} is a value from --csv.

Exit status: 0 all went as wanted, 1 a threshold was missed, 2 options or files are at fault, 3 it
could not be run to its end. Ctrl-C ends the load and hangs up; a second one leaves at once."""

app = typer.Typer(no_args_is_help=True, help=_ABOUT, rich_markup_mode="rich")


def _run(
    make: Callable[[Run], load_pb.LoadServiceRunRequest],
) -> Callable[[Run], Coroutine[Any, Any, int]]:
    """A command that runs the load which ``make`` makes of its options."""

    async def run(options: Run) -> int:
        request = make(options)
        if options.print_scenario:
            typer.echo(json.dumps(shown(request), indent=2, ensure_ascii=False))
            return OK
        if request.detached and options.server is None:
            raise SettingsError("--detach: wants --server")
        assert isinstance(options, ReportOptions)
        judge = Judge(options, str(request.WhichOneof("script")))
        interruptions = Interruptions()
        with interruptions.caught():
            async with contextlib.AsyncExitStack() as stack:
                connection = await interruptions.unless_first(
                    stack.enter_async_context(connected(options))
                )
                return await _on(connection, request, options, judge, interruptions)

    return run


async def _on(
    connection: Connection,
    request: load_pb.LoadServiceRunRequest,
    options: ReportOptions,
    judge: Judge,
    interruptions: Interruptions,
) -> int:
    view = _view(connection, request, options, judge)
    with view:
        history = await follow(connection.channel, request, view, interruptions)
    report = history.report(
        server=connection.name, server_version=connection.version, scenario=shown(request)
    )
    if request.detached:
        typer.echo(report.name)
        return OK
    return judge.judge(report)


def _view(
    connection: Connection,
    request: load_pb.LoadServiceRunRequest,
    options: ReportOptions,
    judge: Judge,
) -> View:
    title = _title(request, connection)
    console = judge.console
    if console.is_terminal and not (options.quiet or request.detached):
        limits = request.profile if request.HasField("profile") else request.answers
        return Picture(
            console,
            title,
            count=request.profile.count,
            duration=limits.duration.ToNanoseconds() / 1e9,
        )
    quiet = options.quiet or request.detached
    if not quiet:
        console.print(title, markup=False, highlight=False, soft_wrap=True)
    return Lines(console, quiet=quiet)


def _title(request: load_pb.LoadServiceRunRequest, connection: Connection) -> str:
    by = "" if connection.name == "own" else f" by {connection.name}"
    match request.WhichOneof("script"):
        case "calls":
            invite = request.calls.invite
            return f"calls to {invite.request_uri or invite.to_address.uri}{by}"
        case "registrations":
            return f"registrations at {request.registrations.register.registrar_uri}{by}"
        case "messages":
            return f"messages to {request.messages.message.to_address.uri}{by}"
        case _:
            return f"answering at {', '.join(connection.listeners)}{by}"


def _status(run: Callable[[Options], Coroutine[Any, Any, int]]) -> Callable[[Options], int]:
    """What the command line calls: what cannot be run is told, with a status of its own."""

    def called(options: Options) -> int:
        try:
            return asyncio.run(run(options))
        except CannotRun as error:
            typer.echo(f"picosip: {error}", err=True)
            return CANNOT_RUN

    return called


add_command(
    app,
    "calls",
    subjects.CallOptions,
    _status(_run(requests.call_request)),
    about="Place calls: INVITE, the answer, --hold, BYE.",
    examples=(
        "picosip load calls 127.0.0.1:5060 --rate 100 --count 1000 --max-fail 0 --p99-setup 50ms",
        "picosip load calls 'sip:user{n%100}@127.0.0.1' --ramp 10:500:1m --duration 3m "
        "--hold exp:30s",
        "picosip load calls 'sip:{callee}@10.0.0.7' --csv users.csv --from "
        "'sip:{caller}@example.com' --user '{caller}' --password '{password}' "
        "--sip udp:10.0.0.5:0 --load-target 10.0.0.7",
        "picosip load calls 127.0.0.1:5060 --json now.json --html now.html --compare before.json "
        "--max-regression 10%",
    ),
)
add_command(
    app,
    "register",
    subjects.RegisterOptions,
    _status(_run(requests.register_request)),
    about="Register addresses; they are refreshed until they are removed.",
    examples=(
        "picosip load register 127.0.0.1:5060 --rate 200 --count 10k --user 'load{n}' "
        "--password secret",
        "picosip load register 127.0.0.1:5060 --csv users.csv --aor 'sip:{user}@example.com' "
        "--user '{user}' --password '{password}' --hold 5m",
    ),
)
add_command(
    app,
    "messages",
    subjects.MessageOptions,
    _status(_run(requests.message_request)),
    about="Send messages (MESSAGE, RFC 3428).",
    examples=(
        "picosip load messages 'sip:user{n%50}@127.0.0.1:5060' --rate 300 --duration 30s --poisson",
    ),
)
add_command(
    app,
    "answer",
    subjects.AnswerOptions,
    _status(_run(requests.answer_request)),
    about="Answer calls: the other end of picosip load calls, and of other callers.",
    examples=(
        "picosip load answer --sip udp:127.0.0.1:5060",
        "picosip load answer --sip udp:127.0.0.1:5060 --ringing --delay uniform:1s:3s "
        "--status 200=95 --status 486=5",
        "picosip load answer --server 10.0.0.7:50051 --users 'load*' --duration 10m",
    ),
)
add_command(
    app,
    "list",
    manage.ListOptions,
    _status(manage.list_loads),
    about="The loads of --server: those that run, and the last ones that ended.",
)
add_command(
    app,
    "stop",
    manage.StopOptions,
    _status(manage.stop_load),
    about="Have a load of --server begin nothing more, and wait for its end.",
    examples=("picosip load stop loads/ab12 --server 10.0.0.7:50051 --hang-up",),
)
add_command(
    app,
    "show",
    manage.ShowOptions,
    manage.show_report,
    about="Show a report again, judge it anew, compare it, or make a page of it.",
    examples=(
        "picosip load show now.json --compare before.json --max-regression 5%",
        "picosip load show now.json --html now.html",
    ),
)
