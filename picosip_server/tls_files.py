"""Certificates and keys looked over before gRPC gets them, which says little of what is wrong."""

from __future__ import annotations

import ssl
from pathlib import Path


def check_pair(cert: Path, key: Path) -> None:
    """Raises ValueError unless these are a certificate chain and its key, PEM, not locked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a passphrase of ours the terminal would be asked for one.
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key} is not the key of {cert}") from error
        raise ValueError(
            f"{cert} and {key} must be a certificate and its key without passphrase, both PEM"
        ) from error


def check_authority(ca: Path) -> None:
    """Raises ValueError unless the file has certificates in PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ValueError(f"{ca} must have certificates in PEM") from error


def check_client_files(ca: Path | None, cert: Path | None, key: Path | None) -> None:
    """Looks over the files of ``--tls-ca``, ``--tls-cert`` and ``--tls-key``.

    Raises OSError or ValueError where gRPC would only say that it cannot connect.
    """
    for path in filter(None, (ca, cert, key)):
        path.open("rb").close()
    if (cert is None) != (key is None):
        raise ValueError("a certificate (--tls-cert) and its key (--tls-key) need each other")
    if cert is not None and key is not None:
        check_pair(cert, key)
    if ca is not None:
        check_authority(ca)
