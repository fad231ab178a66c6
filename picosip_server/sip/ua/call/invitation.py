"""The INVITE as the application asked for it: RFC 3261 section 13.2.1."""

from __future__ import annotations

from picosip_server.sip.headers import Headers
from picosip_server.sip.ua.bodies import join
from picosip_server.sip.ua.commands import Invite, Reliability
from picosip_server.sip.ua.exchange import Draft
from picosip_server.sip.ua.inspect import capability_headers
from picosip_server.sip.uri import Uri


def draft_of(
    invite: Invite,
    target: Uri,
    *,
    from_tag: str,
    call_id: str,
    proxy: str,
    timer: list[tuple[str, str]],
) -> Draft:
    """The request to one target. ``proxy`` is a route for where the Invite names none, ``timer``
    what it says of the session's length.

    Raises:
        LocalProtocolError: the bodies cannot be joined.
    """
    options = invite.options
    routes = options.routes
    if not routes and proxy and options.next_hop is None:
        routes = (proxy,)
    # RFC 3262 section 4.
    reliability = invite.policy.reliability
    headers = capability_headers(reliably=reliability is not Reliability.DISABLED)
    if reliability is Reliability.REQUIRED:
        headers.append(("Require", "100rel"))
    headers += timer
    bodies = (invite.offer, *invite.extra_bodies) if invite.offer else invite.extra_bodies
    return Draft(
        method="INVITE",
        target=target,
        route_set=routes,
        from_=str(invite.from_address.with_tag(from_tag)),
        to=str(invite.to_address),
        call_id=call_id,
        headers=(*headers, *options.headers),
        contact_user=invite.from_address.uri.user or "",
        contact_params=options.contact_params,
        body=join(bodies, f"picosip-{from_tag}"),
        next_hop=options.next_hop,
    )


def ring_limit(invite: Invite) -> float | None:
    """Seconds that the far end may ring: by policy, or by the INVITE's own Expires (13.2.1)."""
    limits = [] if invite.policy.ring_timeout is None else [invite.policy.ring_timeout]
    headers = invite.options.headers
    expires = (Headers(headers).get("Expires") if headers else None) or ""
    if expires.isascii() and expires.isdigit():
        limits.append(float(expires))
    return min(limits, default=None)
