"""The server that makes the load: a remote one, or one of this command's own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc

import picosip
from picosip.v1 import (
    admin_service_pb2 as admin_pb,
    admin_service_pb2_grpc as admin_grpc,
    sip_pb2,
)
from picosip_server.addresses import HostPort, parse_host_port, unix_path
from picosip_server.cli_load.options import OwnServerOptions, ServerOptions
from picosip_server.settings_file import SettingsError
from picosip_server.tls_files import check_client_files

_SIP = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0")
_PATIENCE = 10.0
"""Seconds until a server must have answered the first question."""
_STOPPING = 5.0
"""Seconds for the own server to end when it is told to."""
_TAIL = 2_000
"""Characters of its log that are shown where it did not start."""
_USAGE_STATUS = 2
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    # A histogram of every number of a large load.
    ("grpc.max_receive_message_length", 64 << 20),
)


class CannotRun(Exception):
    """The load could not be run, or not to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server that answers."""

    channel: grpc.aio.Channel
    name: str
    """What it is called in reports: its address, or ``own``."""
    version: str
    listeners: tuple[str, ...]
    """Where it takes SIP: ``TRANSPORT:ADDR:PORT``."""


@contextlib.asynccontextmanager
async def connected(options: ServerOptions) -> AsyncIterator[Connection]:
    """The server that the options want, started first if it is an own one, and stopped at the end.

    Raises SettingsError where options or files are at fault, CannotRun where it cannot be had.
    """
    if options.server is not None:
        _refuse_own(options)
        async with remote(options) as connection:
            yield connection
    else:
        assert isinstance(options, OwnServerOptions)
        async with _own(options) as connection:
            yield connection


def _refuse_own(options: ServerOptions) -> None:
    if isinstance(options, OwnServerOptions) and (
        options.sip or options.load_target or options.config or options.server_log
    ):
        raise SettingsError(
            "--sip, --load-target, --config, --server-log: are of the command's own server, "
            "not of --server"
        )


@contextlib.asynccontextmanager
async def remote(options: ServerOptions) -> AsyncIterator[Connection]:
    """The server of ``--server``."""
    if options.server is None:
        raise SettingsError("--server is missing: ADDR:PORT or unix:PATH")
    try:
        if unix_path(options.server) is None:
            parse_host_port(options.server)
    except ValueError as error:
        raise SettingsError(f"--server {options.server!r}: {error}") from error
    async with _channel(options.server, _credentials(options), options.tls_name) as channel:
        yield await _ask(channel, options.server)


@contextlib.asynccontextmanager
async def _own(options: OwnServerOptions) -> AsyncIterator[Connection]:
    if options.tls or options.tls_ca or options.tls_cert or options.tls_key or options.tls_name:
        raise SettingsError("--tls and the like: want --server")
    # Only this user can enter it: nobody else may drive the server.
    directory = Path(tempfile.mkdtemp(prefix="picosip-load-"))
    log = options.server_log or directory / "log"
    address = f"unix:{directory / 'grpc'}"
    try:
        process = await _start(options, address, log)
        try:
            async with _channel(address, None) as channel:
                yield await _first_answer(channel, process, log)
        finally:
            await _stop(process)
    finally:
        shutil.rmtree(directory)


async def _start(options: OwnServerOptions, address: str, log: Path) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "picosip_server.cli_load.child", "serve", "--grpc", address]
    for flag, values in (("--sip", options.sip or _SIP), ("--load-target", options.load_target)):
        for value in values or ():
            command += [flag, value]
    if options.config is not None:
        command += ["--config", str(options.config)]
    command += ["--drain-timeout", "1", "--log-format", "console"]
    try:
        with log.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                # See child.py: it ends with this one.
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                # Settings of another server on this machine are none of this one's.
                env={key: value for key, value in os.environ.items() if key[:8] != "PICOSIP_"},
                # A terminal's Ctrl-C is for this command alone, which needs the server until then.
                start_new_session=True,
            )
    except OSError as error:
        raise SettingsError(f"{log}: cannot be written: {error.strerror}") from error


async def _first_answer(
    channel: grpc.aio.Channel, process: asyncio.subprocess.Process, log: Path
) -> Connection:
    asked = asyncio.create_task(_ask(channel, "own"))
    ended = asyncio.create_task(process.wait())
    await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        ended.cancel()
        return asked.result()
    asked.cancel()
    said = log.read_text("utf-8", "replace").strip()[-_TAIL:]
    if ended.result() == _USAGE_STATUS:
        # It has found fault with what it was given here.
        raise SettingsError(*(line.removeprefix("picosip: ") for line in said.splitlines()))
    raise CannotRun(f"the server for the load did not start:\n{said}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOPPING)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _ask(channel: grpc.aio.Channel, name: str) -> Connection:
    try:
        info = await admin_grpc.AdminServiceStub(channel).GetServerInfo(
            admin_pb.GetServerInfoRequest(), wait_for_ready=True, timeout=_PATIENCE
        )
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise CannotRun(f"no answer from {name} within {_PATIENCE:g} s") from error
        raise CannotRun(f"{name}: {picosip.errors.from_rpc_error(error)}") from error
    return Connection(
        channel=channel,
        name=name,
        version=info.version,
        listeners=tuple(
            f"{sip_pb2.Transport.Name(one.transport)[10:].lower()}:{HostPort(one.host, one.port)}"
            for one in info.listeners
        ),
    )


def _channel(
    target: str, credentials: grpc.ChannelCredentials | None, tls_name: str = ""
) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target, _OPTIONS)
    named = [("grpc.ssl_target_name_override", tls_name)] if tls_name else []
    return grpc.aio.secure_channel(target, credentials, [*_OPTIONS, *named])


def _credentials(options: ServerOptions) -> grpc.ChannelCredentials | None:
    ca, cert, key = options.tls_ca, options.tls_cert, options.tls_key
    if not (options.tls or ca or cert or key or options.tls_name):
        return None
    try:
        check_client_files(ca, cert, key)
        return picosip.tls_from_files(ca, cert=cert, key=key)
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
