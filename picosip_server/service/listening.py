"""Where the gRPC server listens: ports, TLS, and the addresses really bound."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

import grpc
import structlog

from picosip_server.addresses import HostPort, is_ip, is_loopback, parse_host_port, unix_path

_log = structlog.get_logger(__name__)

OPTIONS: Sequence[tuple[str, int]] = (
    # Two servers on one port would each get a part of the clients.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 4 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    # An application that vanished without a word is noticed, and its streams end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
MOST_RPCS = 50_000
"""RPCs at a time, streams included; more get RESOURCE_EXHAUSTED."""

# Documentation prefixes (RFC 5737, RFC 3849): nothing is sent to them, only routed.
_FAR = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_DISCARD_PORT = 9


class BindError(OSError):
    """An address cannot be listened on."""


def credentials(
    cert: Path | None, key: Path | None, client_ca: Path | None
) -> grpc.ServerCredentials | None:
    """TLS, with client certificates where ``client_ca`` is given; None for plaintext.

    Raises OSError if a file cannot be read.
    """
    if cert is None or key is None:
        return None
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), cert.read_bytes())],
        root_certificates=None if client_ca is None else client_ca.read_bytes(),
        require_client_auth=client_ca is not None,
    )


def bind(server: grpc.aio.Server, address: str, secure: grpc.ServerCredentials | None) -> str:
    """Has the server listen on ``ADDR:PORT`` or ``unix:PATH``; gives the address really bound.

    Raises BindError.
    """
    try:
        if secure is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, secure)
    except RuntimeError as error:
        # gRPC has no error of its own for this.
        raise BindError(f"gRPC cannot listen on {address}: {error}") from error
    if unix_path(address) is not None:
        return address
    host = parse_host_port(address).host
    if secure is None and not is_loopback(host):
        _log.warning("gRPC is served in plaintext beyond this machine", address=address)
    return str(HostPort(host, port))


def own_host(advertised: str, bound: str) -> str:
    """The host by which others know this machine.

    ``advertised`` if there is one, else what the listener is ``bound`` to, else the
    address from which packets to the rest of the world would go out.
    """
    if advertised:
        return advertised
    if not is_ip(bound) or not ipaddress.ip_address(bound).is_unspecified:
        return bound
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_FAR[family], _DISCARD_PORT))
        except OSError:
            return "::1" if family is socket.AF_INET6 else "127.0.0.1"
        host: str = probe.getsockname()[0]
        return host
