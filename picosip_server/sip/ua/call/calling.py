"""The caller until the answer: RFC 3261 sections 13.2.2.1 to 13.2.2.3, 8.1.3.4 and 9.1."""

from __future__ import annotations

from abc import abstractmethod

from picosip_server.sip.auth.client import DigestClient
from picosip_server.sip.dialog import Dialog
from picosip_server.sip.message import Response
from picosip_server.sip.offer_answer import Side
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.bodies import description_of
from picosip_server.sip.ua.call.base import Call
from picosip_server.sip.ua.call.invitation import draft_of, ring_limit
from picosip_server.sip.ua.call.leg import Leg
from picosip_server.sip.ua.call.prack import Prack
from picosip_server.sip.ua.call.redirection import Redirection, redirect_contacts
from picosip_server.sip.ua.commands import Body, WaitFor
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.events import CallCreated, CallForked, CallProgressed, CallRedirected
from picosip_server.sip.ua.exchange import Exchange
from picosip_server.sip.ua.failures import refused
from picosip_server.sip.ua.listener import Listener
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.snapshots import CallDirection, CallState, Cause, Termination
from picosip_server.sip.uri import Uri

OFFER_ALARM = "offer "
"""Before the remote tag of the dialog whose offer awaits the application's answer."""


class CallingCall(Call):
    """What an outgoing call does until a 2xx: attempts, provisional responses, refusals."""

    __slots__ = (
        "_cseq",
        "_exchange",
        "_invite",
        "_redirection",
        "_wait_for",
    )

    DIRECTION = CallDirection.OUTGOING

    def __init__(
        self,
        name: str,
        context: Context,
        invite: commands.Invite,
        *,
        call_id: str,
        now: float,
    ) -> None:
        target = invite.request_uri or invite.to_address.uri
        super().__init__(
            name,
            context,
            invite.labels,
            state=CallState.CALLING,
            from_address=invite.from_address,
            to_address=invite.to_address,
            request_uri=str(target),
            call_id=call_id,
            policy=invite.policy,
            contact_user=invite.from_address.uri.user or "",
            now=now,
        )
        self.from_address = invite.from_address.with_tag(self.tag)
        self._invite: commands.Invite | None = invite
        if isinstance(invite.token, Listener):
            self.listener = invite.token
        self._cseq = 0
        self._redirection: Redirection | None = None
        """None until the first 3xx."""
        self._wait_for = invite.wait_for
        """What the Invite still waits for; CREATED once it has been answered."""
        if invite.credentials:
            self.auth = DigestClient(invite.credentials)
        self.local_description = invite.offer
        self.contact_params = invite.options.contact_params
        self.advertised(invite.options.headers)
        self.local_description = self.given = invite.offer
        self._exchange: Exchange | None = self._make_exchange(target)
        self.emit(
            CallCreated(
                resource=name, at=now, labels=self.labels, call=self.shown(), token=invite.token
            )
        )
        if invite.wait_for is WaitFor.CREATED:
            self.done(invite.token)
        limit = ring_limit(invite)
        if limit is not None:
            self.alarm("ring", now + limit)

    @property
    def invite(self) -> commands.Invite:
        """What the application asked for, while the INVITE's transaction lasts."""
        assert self._invite is not None
        return self._invite

    def let_go(self) -> None:
        """So does its INVITE."""
        super().let_go()
        self._exchange = None

    @property
    def exchange(self) -> Exchange:
        """The INVITE as it was sent to the present target, as long."""
        assert self._exchange is not None
        return self._exchange

    def start(self, now: float) -> None:
        """Sends the INVITE.

        Raises:
            LocalProtocolError: a preloaded route cannot be parsed.
        """
        self.exchange.start(now)

    def _make_exchange(self, target: Uri) -> Exchange:
        draft = draft_of(
            self.invite,
            target,
            from_tag=self.tag,
            call_id=self.call_id,
            proxy=self.context.outbound_proxy,
            timer=self.timer.request_fields(),
        )
        return Exchange(self, draft, self, next_cseq=self._next_cseq, auth=self.auth)

    def _next_cseq(self) -> int:
        self._cseq += 1
        return self._cseq

    # What the INVITE is answered with.

    def on_provisional(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 1xx to the INVITE (13.2.2.1)."""
        if response.status == 100 or self.state not in (CallState.CALLING, CallState.EARLY):
            return
        description = description_of(response)
        leg: Leg | None = None
        reliable = False
        if response.to.tag:
            leg = self._leg(exchange, response, now, tell=True)
            reliable = "100rel" in response.require and response.rseq is not None
            if reliable and not self._in_order(leg, response):
                return
            if description is not None and leg.remote_description is None:
                leg.remote_description = description
            self.state = CallState.EARLY
        self.emit(
            CallProgressed(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=response.status,
                reason=response.reason,
                remote_tag=response.to.tag,
                reliable=reliable,
                description=description,
            )
        )
        if self._wait_for is WaitFor.PROGRESS:
            self._settle()
        if leg is not None and response.status == 199:
            # RFC 6228 section 4: this early dialog has ended; the others go on.
            leg.left = True
        if leg is not None and reliable:
            self._owe_prack(leg, response, description, now)

    def _in_order(self, leg: Leg, response: Response) -> bool:
        rseq = response.rseq
        assert rseq is not None
        # RFC 3262 section 4: one out of order is neither acknowledged nor processed.
        if leg.rseq >= 0 and rseq != leg.rseq + 1:
            return False
        leg.rseq = rseq
        return True

    def _owe_prack(
        self, leg: Leg, response: Response, description: Body | None, now: float
    ) -> None:
        assert response.rseq is not None
        rack = (response.rseq, response.cseq.number, "INVITE")
        if description is not None:
            if leg.offer_answer.open is Side.LOCAL:
                leg.offer_answer.answer()
            elif leg.offer_answer.untouched:
                # RFC 3262 section 5: an offer in a reliable provisional is answered in PRACK.
                leg.offer_answer.offer(Side.REMOTE)
                leg.owed_prack = rack
                self._await_answer(leg, now)
                return
        Prack(self, leg, rack).start(now)

    def on_final(self, exchange: Exchange, response: Response, now: float) -> None:
        """The final response to the INVITE; of 2xx there may be several (13.2.2.4)."""
        if response.status < 300:
            self._accepted(exchange, response, now)
        elif response.status < 400 and not exchange.cancelling:
            self._redirected(response, now)
        elif response.status == 422 and not exchange.cancelling and self.timer.enlarge(response):
            # RFC 4028 section 7.3.
            self._try(exchange.draft.target, now)
        else:
            self._refused(exchange, response, now)

    def _leg(self, exchange: Exchange, response: Response, now: float, *, tell: bool) -> Leg:
        """The dialog of a response; ``tell`` the application where it is a further one."""
        assert exchange.current is not None
        invite = exchange.current.request
        leg = self.leg_of(response.to.tag)
        # What an attempt began that was challenged in the end has the CSeq of that one.
        if leg is not None and leg.invite is invite:
            return leg
        former, leg = leg, Leg(Dialog.uac(invite, response), invite)
        # The very string: a call that stands need not keep it twice.
        leg.dialog.local_tag = self.tag
        leg.learn(response)
        if self.invite.offer is not None:
            leg.offer_answer.offer(Side.LOCAL)
        self.legs = (*[each for each in self.legs if each is not former], leg)
        if tell and len(self.legs) > 1:
            self.emit(
                CallForked(
                    resource=self.name,
                    at=now,
                    labels=self.labels,
                    message=response,
                    dialog=leg.snapshot(),
                )
            )
        return leg

    @abstractmethod
    def _accepted(self, exchange: Exchange, response: Response, now: float) -> None:
        """A 2xx, the first or a further one."""

    def _settle(self, failure: Failure | None = None) -> None:
        """Answers the Invite, if it still waits."""
        if self._wait_for is WaitFor.CREATED:
            return
        self._wait_for = WaitFor.CREATED
        if failure is None:
            self.done(self.invite.token)
        else:
            self.fail(self.invite.token, failure)

    def _await_answer(self, leg: Leg, now: float) -> None:
        self.alarm(OFFER_ALARM + leg.dialog.remote_tag, now + self.context.offer_timeout)

    def _redirected(self, response: Response, now: float) -> None:
        contacts = redirect_contacts(response)
        self.emit(
            CallRedirected(
                resource=self.name,
                at=now,
                labels=self.labels,
                message=response,
                status=response.status,
                reason=response.reason,
                contacts=contacts,
            )
        )
        if self._redirection is None:
            most = self.invite.policy.max_redirects
            self._redirection = Redirection(self.exchange.draft.target, most)
        self._redirection.follow(contacts)
        if not self._try_next(now):
            self._finish_refused(response, Cause.REDIRECTED, now)

    def _try_next(self, now: float) -> bool:
        target = None if self._redirection is None else self._redirection.next()
        if target is None:
            return False
        self._try(target, now)
        return True

    def _try(self, target: Uri, now: float) -> None:
        self.legs = ()
        self.state = CallState.CALLING
        self._exchange = self._make_exchange(target)
        self._exchange.start(now)

    def _refused(self, exchange: Exchange, response: Response, now: float) -> None:
        if exchange.cancelling:
            self._finish_refused(response, Cause.CANCELLED, now)
        # 8.1.3.4: the next of several redirection targets, unless a 6xx speaks for all.
        elif response.status >= 600 or not self._try_next(now):
            self._finish_refused(response, Cause.REJECTED, now)

    def _finish_refused(self, response: Response, cause: Cause, now: float) -> None:
        if cause is not Cause.CANCELLED:
            self._settle(refused(response, "INVITE"))
        termination = Termination(
            cause=cause,
            status=response.status,
            reason=response.reason,
            reasons=tuple(response.headers.get_all("Reason")),
        )
        self.end(termination, now, message=response)

    def on_failure(self, exchange: Exchange, kind: FailureKind, detail: str, now: float) -> None:
        """The INVITE got no final response."""
        if exchange.cancelling:
            self.end(Termination(cause=Cause.CANCELLED), now)
        elif not self._try_next(now):
            self._settle(Failure(kind=kind, detail=detail, state=self.state.name))
            timeout = kind is FailureKind.TIMEOUT
            self.end(Termination(cause=Cause.TIMEOUT if timeout else Cause.TRANSPORT_FAILURE), now)

    def on_end(self, termination: Termination, now: float) -> None:
        """The Invite will not see what it waits for."""
        super().on_end(termination, now)
        if self._wait_for is not WaitFor.CREATED:
            self._settle(self.ended_failure(termination))

    # CANCEL (9.1).

    def _cancel(self, headers: tuple[tuple[str, str], ...], now: float) -> None:
        self.state = CallState.TERMINATING
        self.clear_alarms()
        self.exchange.cancel(headers, now)

    def on_cancel_sent(self, now: float) -> None:
        """9.1: 64*T1 after the CANCEL the INVITE is given up, answered or not."""
        self.alarm("cancel", now + self.context.timers.give_up)

    def on_cancel_answered(self, now: float) -> None:
        """The 487 to the INVITE follows at once; Hangup does not wait for a peer that owes it.

        Where a 2xx crossed the CANCEL, it waits for the BYE.
        """
        if self.state is CallState.TERMINATING and self.answer_time is None:
            self.alarm("cancelled", now + self.context.timers.t1)
