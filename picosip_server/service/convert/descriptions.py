"""Session descriptions: the API's structure, the SDP package's model, and octets."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from picosip.v1 import sdp_pb2 as pb
from picosip_server.sdp import attributes as attribute_maps, model
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.parse import parse
from picosip_server.sdp.write import write
from picosip_server.service.convert.values import clean
from picosip_server.sip.ua.capabilities import SDP_TYPE
from picosip_server.sip.ua.commands import Body

_SESSION_ID_BITS = 62


def to_proto(body: Body | None) -> pb.SessionDescription | None:
    """A description for the application: structured where it can be read, else raw."""
    if body is None:
        return None
    if body.content_type.partition(";")[0].strip().lower() != SDP_TYPE:
        return pb.SessionDescription(raw=body.data)
    return _described(body.data)


def to_octets(body: Body) -> bytes:
    """The same, encoded."""
    if body.content_type.partition(";")[0].strip().lower() != SDP_TYPE:
        return pb.SessionDescription(raw=body.data).SerializeToString()
    return _encoded(body.data)


# The same description comes in a call's events and again in every picture of the call.
@lru_cache(maxsize=256)
def _described(data: bytes) -> pb.SessionDescription:
    try:
        description = parse(data)
    except SdpError:
        return pb.SessionDescription(raw=data)
    return pb.SessionDescription(sdp=_structure(description))


@lru_cache(maxsize=256)
def _encoded(data: bytes) -> bytes:
    return _described(data).SerializeToString()


def to_body(description: pb.SessionDescription, *, host: str) -> Body:
    """The body that says it; ``host`` stands in an origin that has no address of its own.

    Raises SdpError, whose field is the path below ``description.sdp``.
    """
    if description.WhichOneof("form") == "raw":
        return Body(content_type=SDP_TYPE, data=description.raw)
    value = _model(description.sdp)
    # A number that does not repeat for this user at this address (RFC 8866 section 5.2).
    session_id = description.sdp.origin.session_id or str(secrets.randbits(_SESSION_ID_BITS))
    data = write(
        value,
        session_id=session_id,
        session_version=session_id,
        address=_own_address(value) or host,
    )
    # An origin that the application gave is its own; another goes on from call to call.
    return Body(content_type=SDP_TYPE, data=data, continues=not description.sdp.HasField("origin"))


def _own_address(value: model.SessionDescription) -> str:
    places = (value.connection, *(place for media in value.media for place in media.connections))
    for place in places:
        if place is not None and place.address:
            # A multicast address has its TTL and count behind it (section 5.7).
            return place.address.partition("/")[0]
    return ""


def _model(sdp: pb.Sdp) -> model.SessionDescription:
    return model.SessionDescription(
        origin=_origin(sdp.origin) if sdp.HasField("origin") else None,
        session_name=sdp.session_name,
        information=sdp.information,
        uri=sdp.uri,
        emails=tuple(sdp.emails),
        phones=tuple(sdp.phones),
        connection=_connection(sdp.connection) if sdp.HasField("connection") else None,
        bandwidths=_bandwidths(sdp.bandwidths),
        timings=tuple(
            model.Timing(start=timing.start, stop=timing.stop, repeats=tuple(timing.repeats))
            for timing in sdp.timings
        ),
        attributes=_attributes(sdp.attributes, sdp.attribute_map, "attribute_map"),
        media=tuple(
            model.Media(
                type=media.type,
                port=media.port,
                port_count=media.port_count,
                protocol=media.protocol,
                formats=tuple(media.formats),
                information=media.information,
                connections=tuple(_connection(place) for place in media.connections),
                bandwidths=_bandwidths(media.bandwidths),
                attributes=_attributes(
                    media.attributes, media.attribute_map, f"media[{index}].attribute_map"
                ),
            )
            for index, media in enumerate(sdp.media)
        ),
    )


def _origin(origin: pb.Origin) -> model.Origin:
    return model.Origin(
        username=origin.username,
        session_id=origin.session_id,
        session_version=origin.session_version,
        network_type=origin.network_type,
        address_type=origin.address_type,
        address=origin.address,
    )


def _connection(connection: pb.Connection) -> model.Connection:
    return model.Connection(
        network_type=connection.network_type,
        address_type=connection.address_type,
        address=connection.address,
    )


def _bandwidths(bandwidths: Iterable[pb.Bandwidth]) -> tuple[model.Bandwidth, ...]:
    return tuple(model.Bandwidth(type=one.type, value=one.value) for one in bandwidths)


def _attributes(
    listed: Iterable[pb.Attribute], mapped: Mapping[str, pb.AttributeValues], field: str
) -> tuple[model.Attribute, ...]:
    ordered = tuple(
        model.Attribute(name=one.name, value=one.value if one.HasField("value") else None)
        for one in listed
    )
    values = {name: tuple(some.values) for name, some in mapped.items()}
    return ordered + attribute_maps.from_map(values, field=field)


def _structure(value: model.SessionDescription) -> pb.Sdp:
    connection = value.connection
    result = pb.Sdp(
        origin=None if value.origin is None else _origin_out(value.origin),
        session_name=clean(value.session_name),
        information=clean(value.information),
        uri=clean(value.uri),
        emails=map(clean, value.emails),
        phones=map(clean, value.phones),
        connection=None if connection is None else _connection_out(connection),
        bandwidths=_bandwidths_out(value.bandwidths),
        timings=[
            pb.Timing(start=one.start, stop=one.stop, repeats=map(clean, one.repeats))
            for one in value.timings
        ],
    )
    # Filled in its place: protobuf copies messages that are moved there, by encoding and
    # parsing them.
    _put_attributes(result.attributes, value.attributes)
    for media in value.media:
        to = result.media.add(
            type=clean(media.type),
            port=media.port,
            port_count=media.port_count,
            protocol=clean(media.protocol),
            formats=map(clean, media.formats),
            information=clean(media.information),
            connections=map(_connection_out, media.connections),
            bandwidths=_bandwidths_out(media.bandwidths),
        )
        _put_attributes(to.attributes, media.attributes)
    return result


def _origin_out(origin: model.Origin) -> pb.Origin:
    return pb.Origin(
        username=clean(origin.username),
        session_id=origin.session_id,
        session_version=origin.session_version,
        network_type=clean(origin.network_type),
        address_type=clean(origin.address_type),
        address=clean(origin.address),
    )


def _connection_out(connection: model.Connection) -> pb.Connection:
    return pb.Connection(
        network_type=clean(connection.network_type),
        address_type=clean(connection.address_type),
        address=clean(connection.address),
    )


def _bandwidths_out(bandwidths: Iterable[model.Bandwidth]) -> list[pb.Bandwidth]:
    return [pb.Bandwidth(type=clean(one.type), value=one.value) for one in bandwidths]


def _put_attributes(
    to: RepeatedCompositeFieldContainer[pb.Attribute], attributes: Iterable[model.Attribute]
) -> None:
    for one in attributes:
        if one.value is None:
            to.add(name=clean(one.name))
        else:
            to.add(name=clean(one.name), value=clean(one.value))
