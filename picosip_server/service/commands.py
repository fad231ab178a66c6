"""Every command of a Control stream, and the operation that does it."""

from __future__ import annotations

from collections.abc import Mapping

from picosip_server.service import calls, registrations, requests, subscriptions
from picosip_server.service.operations import Begins

COMMANDS: Mapping[str, Begins] = {
    "invite": calls.INVITE,
    "progress": calls.PROGRESS,
    "answer": calls.ANSWER,
    "reject": calls.REJECT,
    "redirect": calls.REDIRECT,
    "hangup": calls.HANGUP,
    "modify": calls.MODIFY,
    "hold": calls.HOLD,
    "resume": calls.RESUME,
    "transfer": calls.TRANSFER,
    "send_dtmf": calls.SEND_DTMF,
    "get_call": calls.GET_CALL,
    "list_calls": calls.LIST_CALLS,
    "register": registrations.REGISTER,
    "unregister": registrations.UNREGISTER,
    "get_registration": registrations.GET_REGISTRATION,
    "list_registrations": registrations.LIST_REGISTRATIONS,
    "send_message": requests.SEND_MESSAGE,
    "transact": requests.TRANSACT,
    "respond": requests.RESPOND,
    "ping": requests.PING,
    "subscribe": subscriptions.SUBSCRIBE,
    "notify": subscriptions.NOTIFY,
    "publish": subscriptions.PUBLISH,
    "unsubscribe": subscriptions.UNSUBSCRIBE,
    "accept_subscription": subscriptions.ACCEPT_SUBSCRIPTION,
    "reject_subscription": subscriptions.REJECT_SUBSCRIPTION,
    "unpublish": subscriptions.UNPUBLISH,
}
"""By the name of the field in Command."""
