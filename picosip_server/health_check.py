"""Asks a server whether it serves, by the gRPC health protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from picosip_server.addresses import HostPort, parse_host_port, unix_path

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How to speak to a server that does TLS."""

    ca: Path | None = None
    """Who signed the server's certificate; None: the authorities that gRPC knows."""
    cert: Path | None = None
    """Our own certificate, where the server asks for one; with ``key``."""
    key: Path | None = None
    name: str = ""
    """Name in the server's certificate, if it is not the host asked."""


def check(address: str, *, service: str = "", tls: Tls | None = None, timeout: float = 3.0) -> str:
    """``SERVING``, or another status by its name, or why there was no answer.

    ``address`` may be one to listen on: for 0.0.0.0 and :: this machine is asked.
    ``timeout`` is in seconds. Raises OSError if a file of ``tls`` cannot be read.
    """
    options = [("grpc.enable_http_proxy", 0)]
    with _channel(_reachable(address), tls, options) as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = ask(health_pb2.HealthCheckRequest(service=service), timeout=timeout)
        except grpc.RpcError as error:
            if not isinstance(error, grpc.Call):
                raise
            return f"{error.code().name}: {error.details()}"
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def _reachable(address: str) -> str:
    if unix_path(address) is not None:
        return address
    host, port = parse_host_port(address)
    return str(HostPort(_ANY.get(host, host), port))


def _channel(target: str, tls: Tls | None, options: list[tuple[str, int]]) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(target, options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=tls.ca.read_bytes() if tls.ca else None,
        private_key=tls.key.read_bytes() if tls.key else None,
        certificate_chain=tls.cert.read_bytes() if tls.cert else None,
    )
    named = [("grpc.ssl_target_name_override", tls.name)] if tls.name else []
    return grpc.secure_channel(target, credentials, [*options, *named])
