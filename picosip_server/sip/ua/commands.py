"""What an application may ask of the user agent.

Every command carries a ``token``, an opaque value that comes back in the
``Completed`` or ``Failed`` that answers it. Times are seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable, Mapping
from dataclasses import field

from picosip_server.frozen import dataclass
from picosip_server.sip.address import Address
from picosip_server.sip.grammar import NO_PARAMS, Params
from picosip_server.sip.uri import Uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A message body, carried through untouched."""

    content_type: str
    data: bytes
    disposition: str = ""
    continues: bool = False
    """A session description whose o= line is the stack's to make: it goes on from the one sent
    before (RFC 3264 section 8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextHop:
    """Where to send a request, whatever its URI says. Empty transport: UDP; port 0: the default."""

    host: str
    port: int = 0
    transport: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the application adds to an outgoing message."""

    headers: tuple[tuple[str, str], ...] = ()
    routes: tuple[str, ...] = ()
    """Preloaded route set, outermost first: URIs or name-addrs."""
    next_hop: NextHop | None = None
    contact_params: Params = NO_PARAMS
    """For the Contact that the stack makes, where it makes one: feature tags (RFC 3840)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One user's secret for digest; ``realm`` empty matches any. ``ha1`` is hex, password wins."""

    realm: str = ""
    username: str = ""
    password: str | None = field(default=None, repr=False)
    ha1: str | None = field(default=None, repr=False)


class Reliability(enum.Enum):
    """RFC 3262 for the call's provisional responses."""

    DISABLED = "disabled"
    SUPPORTED = "supported"
    REQUIRED = "required"


class ForkedAnswers(enum.Enum):
    """What becomes of a second 2xx to one INVITE (RFC 3261 section 13.2.2.4)."""

    KEEP_FIRST = "keep_first"
    KEEP_ALL = "keep_all"


class Offers(enum.Enum):
    """What becomes of an offer of the far end inside a call that stands."""

    ASK = "ask"
    """The application answers each."""
    ACCEPT = "accept"
    """Answered from the present description."""
    ACCEPT_UNCHANGED = "accept_unchanged"
    """One that changes nothing is answered from the present description; others are asked."""
    REFUSE = "refuse"
    """Refused with 488."""


class Refresher(enum.Enum):
    """Who refreshes a session (RFC 4028)."""

    LOCAL = "local"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerWish:
    """What the application wants of a session timer, in seconds. None: the server's default.

    ``interval`` 0 is no timer, unless the far end wants one.
    """

    interval: float | None = None
    min_se: float | None = None
    refresher: Refresher | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the stack does by itself for one call. None: the server's default or no limit."""

    reliability: Reliability = Reliability.SUPPORTED
    ring_timeout: float | None = None
    max_duration: float | None = None
    max_redirects: int = 0
    respond_timeout: float | None = None
    forked_answers: ForkedAnswers = ForkedAnswers.KEEP_FIRST
    session_timer: TimerWish | None = None
    offers: Offers = Offers.ASK


class WaitFor(enum.Enum):
    """When Invite is answered."""

    CREATED = "created"
    PROGRESS = "progress"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Brief:
    """A token of those who want to be told no more than the name of the call: a picture of
    it costs more than most commands."""

    token: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base of all commands."""

    token: Hashable


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite(Command):
    """Places a call. Completed with a ``CallSnapshot``."""

    from_address: Address
    to_address: Address
    request_uri: Uri | None = None
    """None: the URI of ``to_address``."""
    offer: Body | None = None
    extra_bodies: tuple[Body, ...] = ()
    credentials: tuple[Credentials, ...] = ()
    options: Options = Options()
    policy: Policy = Policy()
    labels: Mapping[str, str] = field(default_factory=dict)
    wait_for: WaitFor = WaitFor.CREATED


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCommand(Command):
    """A command on an existing call."""

    name: str
    """``calls/{call}``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(CallCommand):
    """Sends a 1xx on an incoming call. Completed with a ``CallSnapshot``."""

    status: int = 180
    reason: str = ""
    description: Body | None = None
    reliable: bool = False
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(CallCommand):
    """Sends the 2xx of an incoming call; or, on an outgoing call whose INVITE had no
    offer, the answer to the far end's offer (in the ACK or PRACK).

    Completed with a ``CallSnapshot``: when the ACK is in, or at once with ``no_wait``.
    """

    description: Body | None = None
    options: Options = Options()
    policy: Policy | None = None
    no_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(CallCommand):
    """Refuses an incoming call. Completed with a ``CallSnapshot``."""

    status: int = 603
    reason: str = ""
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect(CallCommand):
    """Refuses an incoming call with a 3xx. Completed with a ``CallSnapshot``."""

    status: int = 302
    reason: str = ""
    contacts: tuple[Address, ...] = ()
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hangup(CallCommand):
    """CANCEL, BYE or a final refusal, whichever ends the call now.

    ``status`` 0 means the default, 603. ``remote_tag``, where set, ends that one
    dialog of a call with several. Completed with a ``CallSnapshot`` once the far
    end has answered, or the transaction timed out.
    """

    status: int = 0
    reason: str = ""
    options: Options = Options()
    remote_tag: str = ""


class ModifyMethod(enum.Enum):
    """Which request changes a session."""

    DEFAULT = "default"
    """UPDATE in an early dialog and for a mere refresh, where the far end takes it; else
    re-INVITE."""
    INVITE = "invite"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Modify(CallCommand):
    """Offers another session, or refreshes the present one. Without ``offer`` a re-INVITE that
    was asked for by name invites an offer, which Answer answers.

    Completed with a ``CallSnapshot`` after the final response.
    """

    offer: Body | None = None
    method: ModifyMethod = ModifyMethod.DEFAULT
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(CallCommand):
    """Offers the present session without the far end's media (RFC 3264 section 8.4).

    Completed with a ``CallSnapshot`` after the final response.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(CallCommand):
    """Offers the session as it was before Hold. Completed as Hold is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(CallCommand):
    """REFER: the far end is to call somebody else. Completed with the transfer's name
    (``calls/{call}/transfers/{transfer}``) once it has agreed to."""

    refer_to: Address
    referred_by: Address | None = None
    without_progress: bool = False
    """Asks that no subscription come of it (RFC 4488)."""
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferToCall(CallCommand):
    """REFER: the far end is to take this side's place in another call (RFC 5589 section 7).

    Completed as Transfer is."""

    other: str
    """``calls/{call}``"""
    referred_by: Address | None = None
    without_progress: bool = False
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCall(CallCommand):
    """Completed with a ``CallSnapshot``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Registering over flows that this side opens and keeps alive (RFC 5626)."""

    instance_id: str = ""
    """URN of this user agent instance; empty: the server's own."""
    edges: tuple[Uri, ...] = ()
    """Edge proxies, one flow through each; empty: one flow by the usual route."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Command):
    """Registers and refreshes until Unregister. Completed with a ``RegistrationSnapshot``:
    after the registrar's final response, or at once with ``no_wait``."""

    registrar: Uri
    aor: Address
    contacts: tuple[Address, ...] = ()
    """Empty: one made from the listener that reaches the registrar."""
    expires: float = 3600.0
    credentials: tuple[Credentials, ...] = ()
    options: Options = Options()
    labels: Mapping[str, str] = field(default_factory=dict)
    no_wait: bool = False
    outbound: Outbound | None = None
    """Only without ``contacts`` (RFC 5626 section 4.2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationCommand(Command):
    """A command on an existing registration."""

    name: str
    """``registrations/{registration}``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregister(RegistrationCommand):
    """Removes the bindings. Completed with a ``RegistrationSnapshot``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRegistration(RegistrationCommand):
    """Completed with a ``RegistrationSnapshot``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping(Command):
    """OPTIONS. Completed with the final ``Response``, of whatever class."""

    uri: Uri
    from_address: Address | None = None
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transact(Command):
    """One request of any method but INVITE, ACK and CANCEL, outside dialogs.

    Completed with the final ``Response``, of whatever class.
    """

    method: str
    uri: Uri
    from_address: Address
    to_address: Address
    body: Body | None = None
    credentials: tuple[Credentials, ...] = ()
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactInside(CallCommand):
    """The same inside a call, whose dialog says where it goes.

    Completed with the final ``Response``, of whatever class.
    """

    method: str
    body: Body | None = None
    credentials: tuple[Credentials, ...] = ()
    """Empty: those of the call."""
    options: Options = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendDtmf(CallCommand):
    """Digits, an INFO each, in the order of the commands.

    Completed with None when the last one was taken; failed with the first refusal.
    """

    digits: str
    """0-9 * # A-D; a comma is a pause of two seconds."""
    duration: float
    """Of each digit."""
    gap: float
    """Between the end of a digit and the next one."""
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond(Command):
    """The final response to an ``IncomingRequest``. Completed with None."""

    name: str
    """``requests/{request}``"""
    status: int
    reason: str = ""
    body: Body | None = None
    """Also the answer to an offer."""
    options: Options = Options()
