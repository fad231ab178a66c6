"""TLS under SIP: RFC 3261 section 26.2, RFC 5922."""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from picosip_server.engine.config import TlsFiles
from picosip_server.engine.transport.layers import LayerError

_log = structlog.get_logger("picosip.engine")


class Tls:
    """One connection's TLS, over memory: the socket is somebody else's.

    ``domain`` is whom a client of ours wants to speak to; its certificate must say so.
    """

    def __init__(self, context: ssl.SSLContext, *, server: bool, domain: str = "") -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._domain = domain
        self._server = server
        # SNI has names only (RFC 6066 section 3).
        name = domain if domain and not _is_address(domain) else None
        try:
            self._tls = context.wrap_bio(
                self._in, self._out, server_side=server, server_hostname=None if server else name
            )
        except ValueError as error:
            raise LayerError(f"TLS to {domain!r}: {error}") from error
        self.ready = False

    def begin(self) -> bytes:
        """A client speaks first."""
        self._shake()
        return self._out.read()

    def open(self, data: bytes) -> tuple[bytes, bytes]:
        """See ``Security``."""
        self._in.write(data)
        if not self.ready:
            self._shake()
        plain = []
        try:
            while self.ready:
                plain.append(self._tls.read(65536))
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            # All that has come was read; or the peer said goodbye, and closes the socket next.
            pass
        except ssl.SSLError as error:
            raise LayerError(f"TLS: {_reason(error)}") from error
        return b"".join(plain), self._out.read()

    def seal(self, data: bytes) -> bytes:
        """See ``Security``."""
        if not data:
            return b""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise LayerError(f"TLS: {_reason(error)}") from error
        return self._out.read()

    def last_words(self) -> bytes:
        """The alert of a handshake that failed."""
        return self._out.read()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLCertVerificationError as error:
            raise LayerError(f"the peer's certificate: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise LayerError(f"TLS handshake: {_reason(error)}") from error
        if not self._server:
            certificate = self._tls.getpeercert()
            if not is_of(certificate or {}, self._domain):
                raise LayerError(
                    f"the peer's certificate is not of {self._domain!r} (RFC 5922): "
                    f"it is of {', '.join(identities(certificate or {})) or 'nobody'}"
                )
        self.ready = True


def identities(certificate: Mapping[str, Any]) -> list[str]:
    """The SIP domains that a certificate speaks for (RFC 5922 section 7.1), and its addresses.

    A URI with the sip scheme wins over DNS names; without either the common name counts.
    """
    names: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    uris = [value for kind, value in names if kind == "URI"]
    domains = [uri[4:] for uri in uris if uri.lower().startswith("sip:") and "@" not in uri]
    addresses = [value for kind, value in names if kind == "IP Address"]
    if domains:
        return domains + addresses
    domains = [value for kind, value in names if kind == "DNS"]
    if domains or addresses:
        return domains + addresses
    subject = certificate.get("subject", ())
    return [value for part in subject for name, value in part if name == "commonName"]


def is_of(certificate: Mapping[str, Any], domain: str) -> bool:
    """Whether a certificate is of this domain, or IP address (RFC 5922 section 7.2: names compare
    without case, and a wildcard stands for nothing)."""
    wanted = domain.rstrip(".").lower()
    if _is_address(wanted):
        address = ipaddress.ip_address(wanted)
        return any(
            _is_address(each) and ipaddress.ip_address(each) == address
            for each in identities(certificate)
        )
    return any(each.rstrip(".").lower() == wanted for each in identities(certificate))


class TlsContexts:
    """The contexts that connections are made from; ``refresh`` reads changed files again.

    Raises:
        OSError: the files cannot be used at the start.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamps = self._stamp()
        self.server = _server_context(files)
        self.client = _client_context(files)

    def refresh(self) -> None:
        """Takes certificates that were renewed; a connection that stands keeps its own."""
        stamps = self._stamp()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        self.read()

    def read(self) -> None:
        """Reads the files again; where they are no good, those before them serve on."""
        try:
            server, client = _server_context(self._files), _client_context(self._files)
        except OSError as error:
            # A renewal that is half done: those before it serve on.
            _log.error("sip certificates cannot be read again", error=str(error))
            return
        self.server, self.client = server, client
        _log.info("sip certificates were read again")

    def _stamp(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(map(_stamp, self._files.paths()))


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino


def _server_context(files: TlsFiles) -> ssl.SSLContext | None:
    if not files.cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key, password="")
    if files.verify_client:
        context.verify_mode = ssl.CERT_REQUIRED
        if files.ca:
            context.load_verify_locations(files.ca)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context


def _client_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files.ca or None)
    # RFC 5922 section 7.2 has rules of its own: see ``is_of``.
    context.check_hostname = False
    if files.client_cert:
        context.load_cert_chain(files.client_cert, files.client_key, password="")
    elif files.cert:
        context.load_cert_chain(files.cert, files.key, password="")
    return context


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or error.strerror or str(error)).replace("_", " ").lower()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
