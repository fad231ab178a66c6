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
