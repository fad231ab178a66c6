"""Defaults for the lines that a description must have."""

from __future__ import annotations

from dataclasses import replace

from picosip_server.sdp.model import Connection, Origin, SessionDescription, Timing


def complete(
    description: SessionDescription,
    *,
    session_id: str = "",
    session_version: str = "",
    address: str = "",
) -> SessionDescription:
    """``description`` with what it left unset (RFC 8866 sections 5.2, 5.3, 5.7 and 5.9).

    The three arguments fill an origin, or those subfields of it that are empty: ids
    are to be unique and versions to grow, which only the caller can see to.
    """
    origin = description.origin or Origin()
    address = origin.address or address
    connection = description.connection
    if connection is None and not all(media.connections for media in description.media):
        # 5.7: for the whole session, or for each of its media.
        connection = Connection(address=address)
    return replace(
        description,
        origin=Origin(
            username=origin.username or "-",
            session_id=origin.session_id or session_id,
            session_version=origin.session_version or session_version,
            network_type=origin.network_type or "IN",
            address_type=origin.address_type or _address_type(address),
            address=address,
        ),
        session_name=description.session_name or "-",
        connection=_connection(connection) if connection is not None else None,
        timings=description.timings or (Timing(),),
        media=tuple(
            replace(media, connections=tuple(map(_connection, media.connections)))
            for media in description.media
        ),
    )


def _connection(connection: Connection) -> Connection:
    return Connection(
        network_type=connection.network_type or "IN",
        address_type=connection.address_type or _address_type(connection.address),
        address=connection.address,
    )


def _address_type(address: str) -> str:
    return "IP6" if ":" in address else "IP4"
