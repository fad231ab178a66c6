"""``picosip health``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picosip_server.health_check import Tls, check
from picosip_server.settings import load
from picosip_server.settings_file import SettingsError
from picosip_server.tls_files import check_client_files


def health(
    grpc: Annotated[
        str | None,
        typer.Option(
            metavar="ADDR:PORT",
            help="Ask this server, also unix:PATH.",
            show_default="the first of PICOSIP_GRPC, or 127.0.0.1:50051",
        ),
    ] = None,
    service: Annotated[
        str, typer.Option(metavar="NAME", help="Ask for one gRPC service.", show_default="all")
    ] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, help="Wait so long.")] = 3,
    tls: Annotated[
        bool, typer.Option("--tls", envvar="PICOSIP_HEALTH_TLS", help="Speak TLS.")
    ] = False,
    tls_ca: Annotated[
        Path | None,
        typer.Option(
            envvar="PICOSIP_HEALTH_TLS_CA",
            metavar="FILE",
            help="Who signed the server's certificate; implies --tls.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            envvar="PICOSIP_HEALTH_TLS_CERT",
            metavar="FILE",
            help="Our certificate, where it wants one.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(envvar="PICOSIP_HEALTH_TLS_KEY", metavar="FILE", help="Its key."),
    ] = None,
    tls_name: Annotated[
        str,
        typer.Option(
            envvar="PICOSIP_HEALTH_TLS_NAME",
            metavar="NAME",
            help="Name in the server's certificate, if it is not the host asked.",
        ),
    ] = "",
) -> None:
    """Ask a server by gRPC whether it serves: exit status 0 if so, else 1."""
    settings = load({} if grpc is None else {"grpc": (grpc,)})
    secure = Tls(ca=tls_ca, cert=tls_cert, key=tls_key, name=tls_name)
    try:
        check_client_files(tls_ca, tls_cert, tls_key)
        status = check(
            settings.grpc[0],
            service=service,
            tls=secure if tls or secure != Tls() else None,
            timeout=timeout,
        )
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(str(error)) from error
    typer.echo(f"{settings.grpc[0]}: {status}")
    raise typer.Exit(0 if status == "SERVING" else 1)
