"""Requests in the dialog of a subscription: RFC 3261 section 12.2.2."""

from __future__ import annotations

from collections.abc import Collection

from picosip_server.sip.dialog import Dialog
from picosip_server.sip.errors import RemoteProtocolError
from picosip_server.sip.ua.capabilities import KNOWN_METHODS
from picosip_server.sip.ua.inspect import ALLOW, option_answer, unsupported
from picosip_server.sip.ua.user import Serving, TransactionUser


def admit(
    user: TransactionUser,
    dialog: Dialog,
    serving: Serving,
    now: float,
    *,
    known: Collection[str] = (),
) -> bool:
    """Whether a request may be looked at; answered where it may not (12.2.2, 8.2.2.3).

    ``known`` are option tags that the application has taken before.
    """
    try:
        dialog.admit(serving.request)
        missing = [tag for tag in unsupported(serving.request) if tag not in known]
    except RemoteProtocolError as error:
        user.respond(serving, now, error.status)
        return False
    if missing:
        user.respond(serving, now, 420, headers=[("Unsupported", ", ".join(missing))])
    return not missing


def answer_other(user: TransactionUser, serving: Serving, now: float) -> None:
    """Answers what has no business in the dialog of a subscription."""
    method = serving.request.method
    if method == "OPTIONS":
        user.respond(serving, now, 200, headers=option_answer())
    elif method in ("BYE", "PRACK", "UPDATE", "INFO", "SUBSCRIBE", "NOTIFY"):
        # They are for a usage that this dialog does not have (RFC 5057 section 5.1).
        user.respond(serving, now, 481)
    else:
        status = 405 if method in KNOWN_METHODS else 501
        user.respond(serving, now, status, headers=[("Allow", ALLOW)])
