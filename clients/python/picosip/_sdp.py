"""Session descriptions from attribute maps, and back.

    offer = sdp([media("audio", 4000, formats=["0"], attributes={"rtpmap": "0 PCMU/8000"})],
                connection="192.0.2.1")

The server writes the octets; it fills in what is left out (v=, o=, s=, t=) and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from picosip.v1 import sdp_pb2

AttributeMap = Mapping[str, str | Sequence[str] | None]
"""Name to value: a string is one a= line, a sequence one line for each of its values,
None or an empty sequence a property such as ``a=sendrecv``."""


def sdp(
    media: Iterable[sdp_pb2.Media] = (),
    attributes: AttributeMap | None = None,
    *,
    connection: str = "",
    origin: sdp_pb2.Origin | None = None,
    session_name: str = "",
    bandwidths: Mapping[str, int] | None = None,
) -> sdp_pb2.SessionDescription:
    """A structured description. ``connection`` is an IP address or host name for the c= line,
    ``bandwidths`` are in kilobits per second unless their type says otherwise (RFC 8866)."""
    return sdp_pb2.SessionDescription(
        sdp=sdp_pb2.Sdp(
            origin=origin,
            session_name=session_name,
            connection=_connection(connection),
            bandwidths=_bandwidths(bandwidths),
            attribute_map=_values(attributes),
            media=media,
        )
    )


def media(
    type: str,
    port: int,
    *,
    protocol: str = "RTP/AVP",
    formats: Iterable[str | int] = (),
    attributes: AttributeMap | None = None,
    connection: str = "",
    bandwidths: Mapping[str, int] | None = None,
) -> sdp_pb2.Media:
    """One m= section: ``type`` is "audio", "video", "application"...; port 0 refuses it."""
    own = _connection(connection)
    return sdp_pb2.Media(
        type=type,
        port=port,
        protocol=protocol,
        formats=[str(format) for format in formats],
        connections=[] if own is None else [own],
        bandwidths=_bandwidths(bandwidths),
        attribute_map=_values(attributes),
    )


def raw_sdp(octets: bytes | str) -> sdp_pb2.SessionDescription:
    """A description of the caller's own making, sent as it is."""
    return sdp_pb2.SessionDescription(raw=octets.encode() if isinstance(octets, str) else octets)


def attribute_map(attributes: Iterable[sdp_pb2.Attribute]) -> dict[str, list[str]]:
    """The a= lines of a received description or media as a map from name to values, in order.

    A property attribute has an empty list; the result is fit for ``sdp`` and ``media``.
    """
    found: dict[str, list[str]] = {}
    for attribute in attributes:
        values = found.setdefault(attribute.name, [])
        if attribute.HasField("value"):
            values.append(attribute.value)
    return found


def _values(attributes: AttributeMap | None) -> dict[str, sdp_pb2.AttributeValues]:
    return {
        name: sdp_pb2.AttributeValues(values=[value] if isinstance(value, str) else value or ())
        for name, value in (attributes or {}).items()
    }


def _connection(address: str) -> sdp_pb2.Connection | None:
    if not address:
        return None
    family = "IP6" if ":" in address else "IP4"
    return sdp_pb2.Connection(network_type="IN", address_type=family, address=address)


def _bandwidths(bandwidths: Mapping[str, int] | None) -> list[sdp_pb2.Bandwidth]:
    return [sdp_pb2.Bandwidth(type=type, value=value) for type, value in (bandwidths or {}).items()]
