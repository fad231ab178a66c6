"""Where a load script leads: checked before it begins, as far as that can be told."""

from __future__ import annotations

from ipaddress import ip_address

from picosip_server.engine.load.targets import SETTING, Targets
from picosip_server.service.errors import ApiError, Code
from picosip_server.sip.address import Address
from picosip_server.sip.hop import DEFAULT_PORT, Target
from picosip_server.sip.ua import commands
from picosip_server.sip.uri import Uri


def known(
    sample: commands.Invite | commands.Register | commands.Transact, word: str, targets: Targets
) -> tuple[Target, ...]:
    """The names to look up before the load begins, all of which must lead to what is allowed.

    ``word`` begins what stands for a placeholder: where such a target leads is seen for each.

    Raises ApiError PERMISSION_DENIED for what is not allowed.
    """
    options = sample.options
    found = [_of(_uri(sample))]
    found += [_of(Address.parse(route).uri) for route in options.routes]
    hint = options.next_hop
    if hint is not None:
        found.append(Target(host=hint.host, port=hint.port, transport=hint.transport))
    names = []
    for target in found:
        if target is None or word in target.host:
            continue
        port = target.port or DEFAULT_PORT.get(target.transport or "UDP", 5060)
        if targets.has_name(target.host, target.port) or not _is_address(target.host):
            names.append(target)
        elif not targets.has_address(target.host, port):
            raise refused(target.host, port)
    return tuple(dict.fromkeys(names))


def refused(host: str, port: int) -> ApiError:
    """A target that is not allowed."""
    return ApiError(
        Code.PERMISSION_DENIED,
        "TARGET_NOT_ALLOWED",
        f"{SETTING} does not allow loads towards {host} port {port}: start the server with "
        f"{SETTING} {host}",
        metadata={"target": host},
    )


def _uri(sample: commands.Invite | commands.Register | commands.Transact) -> Uri:
    if isinstance(sample, commands.Invite):
        return sample.request_uri or sample.to_address.uri
    if isinstance(sample, commands.Register):
        return sample.registrar
    return sample.uri


def _of(uri: Uri) -> Target | None:
    # A tel URI names no host.
    return Target.of(uri) if uri.is_sip else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
