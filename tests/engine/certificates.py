"""Certificates of a test's own authority, as files."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme

from picosip_server.engine.config import TlsFiles


class Authority:
    """Signs for whom it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self._count = 0
        self.path = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.path))

    def files(self, *names: str, verify_client: bool = False, ca: str = "") -> TlsFiles:
        """A certificate of these names or addresses, and this authority as the one to trust."""
        self._count += 1
        cert, key = self.folder / f"{self._count}.pem", self.folder / f"{self._count}.key"
        self.write(cert, key, *names)
        return TlsFiles(
            cert=str(cert), key=str(key), ca=ca or str(self.path), verify_client=verify_client
        )

    def write(self, cert: Path, key: Path, *names: str) -> None:
        """Writes a new certificate and its key."""
        issued = self._ca.issue_cert(*(names or ("127.0.0.1",)))
        issued.private_key_pem.write_to_path(str(key))
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def client(self) -> ssl.SSLContext:
        """For a client that trusts this authority."""
        return ssl.create_default_context(cafile=str(self.path))
