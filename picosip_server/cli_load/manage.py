"""Loads of a remote server, and reports that were written before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer
from google.protobuf import json_format
from rich.console import Console
from rich.table import Table

import picosip
from picosip.v1 import load_service_pb2 as load_pb, load_service_pb2_grpc as load_grpc
from picosip_server.cli_load.connection import CannotRun, remote
from picosip_server.cli_load.history import spread
from picosip_server.cli_load.option import REPORT, SERVER, switch
from picosip_server.cli_load.options import ServerOptions
from picosip_server.cli_load.outcome import OK, Judge
from picosip_server.cli_load.report import read_report, schema
from picosip_server.cli_load.report_options import ReportOptions
from picosip_server.cli_load.words import span_text, time_text


@dataclass(kw_only=True)
class ListOptions(ServerOptions):
    """Of ``picosip load list``."""

    as_json: Annotated[bool, switch("--json", "As JSON, with all that is known.", REPORT)] = False


@dataclass(kw_only=True)
class StopOptions(ServerOptions):
    """Of ``picosip load stop``."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="As list shows it: loads/...")]
    hang_up: Annotated[
        bool,
        switch("--hang-up", "End what lives, rather than letting it come to its end.", SERVER),
    ] = False


@dataclass(kw_only=True)
class ShowOptions(ReportOptions):
    """Of ``picosip load show``."""

    report: Annotated[
        Path | None,
        typer.Argument(metavar="REPORT.json", help="What --json wrote.", show_default=False),
    ] = None
    schema: Annotated[
        bool, switch("--schema", "Print the JSON Schema of such files instead.", REPORT)
    ] = False


async def list_loads(options: ListOptions) -> int:
    """Prints the loads that run and the last ones that ended."""
    async with remote(options) as connection:
        try:
            response = await load_grpc.LoadServiceStub(connection.channel).List(
                load_pb.LoadServiceListRequest()
            )
        except grpc.aio.AioRpcError as error:
            raise CannotRun(str(picosip.errors.from_rpc_error(error))) from error
    if options.as_json:
        typer.echo(json_format.MessageToJson(response))
        return OK
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("name", "state"):
        table.add_column(heading)
    for heading in ("for", "begun", "ok", "failed", "active", "setup p99"):
        table.add_column(heading, justify="right")
    for one in response.reports:
        p99 = spread(one.setup).at("99")
        table.add_row(
            one.name,
            load_pb.LoadReport.State.Name(one.state).removeprefix("STATE_").lower(),
            span_text(one.elapsed.ToNanoseconds() / 1e9),
            *(f"{number:,}" for number in (one.started, one.succeeded, one.failed, one.active)),
            "" if p99 is None else time_text(p99),
        )
    Console().print(table)
    return OK


async def stop_load(options: StopOptions) -> int:
    """Has a load end, and prints its name once it has."""
    async with remote(options) as connection:
        try:
            response = await load_grpc.LoadServiceStub(connection.channel).Stop(
                load_pb.LoadServiceStopRequest(name=options.name, hang_up=options.hang_up)
            )
        except grpc.aio.AioRpcError as error:
            raise CannotRun(str(picosip.errors.from_rpc_error(error))) from error
    report = response.report
    typer.echo(f"{report.name}: {report.succeeded:,} ok, {report.failed:,} failed")
    return OK


def show_report(options: ShowOptions) -> int:
    """Prints a report again, judges it anew, and writes it in other forms."""
    if options.schema:
        typer.echo(json.dumps(schema(), indent=2))
        return OK
    if options.report is None:
        raise typer.BadParameter("REPORT.json is missing")
    report = read_report("REPORT.json", options.report)
    return Judge(options, report.kind).judge(report)
