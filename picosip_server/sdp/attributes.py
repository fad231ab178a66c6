"""Attributes from a map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from picosip_server.sdp import rules
from picosip_server.sdp.errors import SdpError
from picosip_server.sdp.model import Attribute


def from_map(
    values_by_name: Mapping[str, Iterable[str]], *, field: str = "attribute_map"
) -> tuple[Attribute, ...]:
    """One attribute for each value, in the order of the names; no values: a property.

    Meant to be appended to a list of attributes. Raises SdpError with a path such
    as 'attribute_map["rtpmap"].values[1]' below ``field``.
    """
    attributes: list[Attribute] = []
    for name, values in sorted(values_by_name.items()):
        if not rules.is_token(name):
            raise SdpError("the name must be a token", field=f'{field}["{name}"]')
        named = [Attribute(name=name, value=value) for value in values]
        for index, attribute in enumerate(named):
            if attribute.value and not rules.is_text(attribute.value):
                raise SdpError(
                    "must not hold NUL, CR or LF", field=f'{field}["{name}"].values[{index}]'
                )
        attributes += named or [Attribute(name=name)]
    return tuple(attributes)
