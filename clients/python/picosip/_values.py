"""Messages made from plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import grpc
from google.protobuf.duration_pb2 import Duration

from picosip.v1 import call_service_pb2 as call_pb, sip_pb2

AddressLike = str | sip_pb2.Address
"""A complete URI such as ``sip:bob@example.com``, or an Address."""

HeadersLike = Iterable[sip_pb2.Header | tuple[str, str]]
"""Header fields in their order, as messages or (name, value) pairs."""

StatusLike = int | sip_pb2.SipStatus
"""A status code, which gets the RFC's reason phrase, or a SipStatus."""

BodyLike = str | sip_pb2.Body
"""Text, which goes as text/plain in UTF-8, or a Body."""

CredentialsLike = sip_pb2.Credentials | Iterable[sip_pb2.Credentials]
"""One set of credentials, or several for several realms."""


def address(
    uri: str, display_name: str = "", parameters: Mapping[str, str | None] | None = None
) -> sip_pb2.Address:
    """A From, To or Contact: ``address("sip:bob@example.com", "Bob", {"expires": "60"})``.

    A parameter whose value is None is a flag, as in ``;lr``.
    """
    return sip_pb2.Address(
        uri=uri,
        display_name=display_name,
        parameters=[
            sip_pb2.Parameter(name=name, value=value) for name, value in (parameters or {}).items()
        ],
    )


def credentials(
    username: str, password: str | None = None, *, ha1: str | None = None, realm: str = ""
) -> sip_pb2.Credentials:
    """A user's secret for digest authentication: the password, or H(user:realm:password) in hex.

    An empty realm matches any. ``ValueError`` unless exactly one secret is given.
    """
    if password is not None and ha1 is None:
        return sip_pb2.Credentials(username=username, password=password, realm=realm)
    if ha1 is not None and password is None:
        return sip_pb2.Credentials(username=username, ha1=ha1, realm=realm)
    raise ValueError("give either password or ha1")


def message_options(
    headers: HeadersLike = (),
    routes: Iterable[str] = (),
    next_hop: sip_pb2.Endpoint | None = None,
    contact_parameters: Mapping[str, str | None] | None = None,
) -> sip_pb2.MessageOptions:
    """Header fields to add, a preloaded route set (outermost first), where to send it, and what
    the Contact says beside the address, such as feature tags (RFC 3840); None makes a flag.
    """
    return sip_pb2.MessageOptions(
        headers=[
            header
            if isinstance(header, sip_pb2.Header)
            else sip_pb2.Header(name=header[0], value=header[1])
            for header in headers
        ],
        routes=routes,
        next_hop=next_hop,
        contact_parameters=[
            sip_pb2.Parameter(name=name, value=value)
            for name, value in (contact_parameters or {}).items()
        ],
    )


def call_policy(
    *,
    reliable_provisional: Literal["disabled", "supported", "required"] | None = None,
    ring_timeout: float | None = None,
    max_duration: float | None = None,
    max_redirects: int = 0,
    respond_timeout: float | None = None,
    forked_answers: Literal["keep_first", "keep_all"] | None = None,
    offers: Literal["ask", "accept", "accept_unchanged", "refuse"] | None = None,
) -> call_pb.CallPolicy:
    """What the stack does by itself for a call. Times in seconds; None: the server's default.

    ``reliable_provisional`` is 100rel (RFC 3262). ``max_redirects`` 3xx are followed.
    ``respond_timeout`` is how long an incoming request inside the call waits for ``respond``.
    With ``forked_answers="keep_all"`` every 2xx is kept and ``hangup(..., remote_tag=...)``
    ends one (RFC 3261 section 13.2.2.4). ``offers``: what becomes of the far end's offers inside
    the call; "ask" hands them over as ``IncomingRequest``, "accept" answers from the present
    description, "accept_unchanged" only those that change nothing, "refuse" says 488.
    """
    policy = call_pb.CallPolicy(
        ring_timeout=duration(ring_timeout),
        max_duration=duration(max_duration),
        max_redirects=max_redirects,
        respond_timeout=duration(respond_timeout),
    )
    if reliable_provisional is not None:
        policy.reliable_provisional = call_pb.CallPolicy.ReliableProvisional.Value(
            f"RELIABLE_PROVISIONAL_{reliable_provisional.upper()}"
        )
    if forked_answers is not None:
        policy.forked_answers = call_pb.CallPolicy.ForkedAnswers.Value(
            f"FORKED_ANSWERS_{forked_answers.upper()}"
        )
    if offers is not None:
        policy.offers = call_pb.CallPolicy.Offers.Value(f"OFFERS_{offers.upper()}")
    return policy


def tls_from_files(
    ca: str | Path | None = None,
    *,
    cert: str | Path | None = None,
    key: str | Path | None = None,
) -> grpc.ChannelCredentials:
    """TLS for ``Client(tls=...)`` from PEM files.

    ``ca`` None: the roots that gRPC brings. ``cert`` and ``key``: this client's own, for a
    server that asks for one (mTLS). Raises ``OSError`` if a file cannot be read.
    """
    read = [None if path is None else Path(path).read_bytes() for path in (ca, key, cert)]
    return grpc.ssl_channel_credentials(*read)


# What follows is for the request builders.


def duration(seconds: float | None) -> Duration | None:
    """Seconds as a Duration; None stays None."""
    if seconds is None:
        return None
    value = Duration()
    value.FromNanoseconds(round(seconds * 1_000_000_000))
    return value


def as_address(value: AddressLike) -> sip_pb2.Address:
    """A URI or an Address as an Address."""
    return sip_pb2.Address(uri=value) if isinstance(value, str) else value


def as_addresses(values: Iterable[AddressLike]) -> list[sip_pb2.Address]:
    """URIs or Addresses as Addresses; one alone, not in a list, is a mistake."""
    if isinstance(values, str):
        raise TypeError("give a list of addresses, not one string")
    return [as_address(value) for value in values]


def as_body(value: BodyLike) -> sip_pb2.Body:
    """Text or a Body as a Body."""
    if isinstance(value, str):
        return sip_pb2.Body(content_type="text/plain;charset=UTF-8", data=value.encode())
    return value


def as_credentials(value: CredentialsLike) -> list[sip_pb2.Credentials]:
    """One or several as a list."""
    return [value] if isinstance(value, sip_pb2.Credentials) else list(value)


def as_status(value: StatusLike | None) -> sip_pb2.SipStatus | None:
    """A status code as a SipStatus; None stays None."""
    return sip_pb2.SipStatus(code=value) if isinstance(value, int) else value


def with_headers(
    options: sip_pb2.MessageOptions | None, headers: HeadersLike
) -> sip_pb2.MessageOptions | None:
    """``options`` and ``headers`` after the ones it has; None where there is nothing at all."""
    added = message_options(headers)
    if options is None:
        return added if added.headers else None
    merged = sip_pb2.MessageOptions()
    merged.CopyFrom(options)
    merged.MergeFrom(added)
    return merged
