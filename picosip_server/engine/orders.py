"""Commands in: to the user that they name, or to a new one."""

from __future__ import annotations

from picosip_server.engine.accounts import Account, Accounts, wants_privacy
from picosip_server.engine.admission import Admission
from picosip_server.engine.identity import RandomIdentity
from picosip_server.engine.messages import Messages
from picosip_server.engine.population import Population
from picosip_server.sip.address import Address
from picosip_server.sip.dialog import plan
from picosip_server.sip.errors import LocalProtocolError
from picosip_server.sip.ua import commands
from picosip_server.sip.ua.call.outgoing import OutgoingCall
from picosip_server.sip.ua.commands import Command
from picosip_server.sip.ua.context import Context
from picosip_server.sip.ua.failures import invalid, not_found
from picosip_server.sip.ua.listener import Listener
from picosip_server.sip.ua.outgoing_request import OutgoingRequestUser, options_request
from picosip_server.sip.ua.outputs import Failure, FailureKind
from picosip_server.sip.ua.pending import request_key
from picosip_server.sip.ua.publication import Publication
from picosip_server.sip.ua.registration.user import Registration
from picosip_server.sip.ua.subscription.commands import (
    PublicationCommand,
    Publish,
    Subscribe,
    SubscriptionCommand,
)
from picosip_server.sip.ua.subscription.outgoing import OutgoingSubscription
from picosip_server.sip.ua.subscription.usage import subscription_key
from picosip_server.sip.ua.user import TransactionUser
from picosip_server.sip.uri import Uri

Creation = (
    commands.Invite | commands.Register | commands.Ping | commands.Transact | Subscribe | Publish
)
"""Commands that make something new."""


class Orders:
    """What happens to the commands that one worker is given."""

    def __init__(
        self,
        population: Population,
        admission: Admission,
        context: Context,
        *,
        identity: RandomIdentity,
        accounts: Accounts,
    ) -> None:
        self._population = population
        self._admission = admission
        self._context = context
        self._identity = identity
        self._accounts = accounts
        self._messages = Messages(population)

    def submit(self, command: Command, now: float, call_id: str) -> None:
        """Has a command carried out; ``call_id`` is for those that make something new."""
        try:
            if isinstance(command, commands.CallCommand):
                self._on_call(command, now)
            elif isinstance(command, Creation):
                self._create(command, now, call_id)
            else:
                self._pass_on(command, now)
        except LocalProtocolError as error:
            self._population.fail(command.token, invalid("options", str(error)), now)

    def _on_call(self, command: commands.CallCommand, now: float) -> None:
        population = self._population
        call = population.calls.get(command.name)
        if isinstance(command, commands.TransferToCall):
            found = self._attended(command)
            if isinstance(found, Failure):
                population.fail(command.token, found)
                return
            command = found
        if call is None:
            population.fail(command.token, not_found(command.name))
        else:
            population.run(call, call.command(command, now), now)

    def _pass_on(self, command: Command, now: float) -> None:
        population = self._population
        user: TransactionUser | None
        if isinstance(command, commands.RegistrationCommand):
            user, name = population.registrations.get(command.name), command.name
        elif isinstance(command, SubscriptionCommand):
            user, name = population.routes.get(subscription_key(command.name)), command.name
        elif isinstance(command, PublicationCommand):
            user, name = population.publications.get(command.name), command.name
        else:
            assert isinstance(command, commands.Respond)
            user, name = population.routes.get(request_key(command.name)), command.name
        if user is None:
            population.fail(command.token, not_found(name))
        else:
            population.run(user, user.command(command, now), now)

    def _attended(self, command: commands.TransferToCall) -> commands.Transfer | Failure:
        """RFC 5589 section 7.3: the far end of the other call, with the dialog to replace."""
        other = self._population.calls.get(command.other)
        if other is None:
            return not_found(command.other)
        dialog, leg = other.replaced_as(), other.main_leg()
        if dialog is None or leg is None:
            detail = f"{other.name} is {other.state.name}: only a confirmed call can be taken over"
            return Failure(kind=FailureKind.WRONG_STATE, detail=detail, state=other.state.name)
        target = leg.dialog.remote_target.with_(headers=dialog.as_uri_header())
        return commands.Transfer(
            token=command.token,
            name=command.name,
            refer_to=Address(uri=target),
            referred_by=command.referred_by,
            without_progress=command.without_progress,
            options=command.options,
        )

    def _create(self, command: Creation, now: float, call_id: str) -> None:
        failure = self._admission.refuse_command(command)
        if failure is not None:
            self._population.fail(command.token, failure, now)
            return
        if isinstance(command, commands.Ping):
            command = options_request(command)
        if isinstance(command, (commands.Invite, commands.Transact, Subscribe, Publish)):
            command = self._accounts.complete(command)
        field, target = _target(command)
        options = command.options
        if options.routes:
            # Read here, before anything exists, in case they cannot be.
            plan(target, options.routes)
        elif not (target.is_sip or options.next_hop or self._context.outbound_proxy):
            detail = (
                f"{target} says not where to send to: give a SIP URI, a route, a next hop, "
                "or the server an outbound proxy"
            )
            self._population.fail(command.token, invalid(field, detail), now)
            return
        if isinstance(command, commands.Invite):
            self._call(command, now, call_id)
        elif isinstance(command, commands.Register):
            self._register(command, now, call_id)
        elif isinstance(command, Subscribe):
            self._subscribe(command, now, call_id)
        elif isinstance(command, Publish):
            self._publish(command, now, call_id)
        else:
            request = OutgoingRequestUser(self._context, command, call_id=call_id)
            request.aor = command.from_address.uri.aor
            request.anonymous = wants_privacy(options.headers)
            if _attach(request, command):
                # A load has a rate of its own: none waits for the one before it.
                self._population.run(request, request.start(now), now)
            elif command.method == "MESSAGE":
                self._messages.send(request, now)
            else:
                self._population.run(request, request.start(now), now)

    def _call(self, invite: commands.Invite, now: float, call_id: str) -> None:
        name = self._identity.call_name()
        call = OutgoingCall(name, self._context, invite, call_id=call_id, now=now)
        call.aor = invite.from_address.uri.aor
        call.anonymous = wants_privacy(invite.options.headers)
        _attach(call, invite)
        self._population.calls[name] = call
        call.start(now)
        self._population.run(call, call.flush(), now)

    def _register(self, register: commands.Register, now: float, call_id: str) -> None:
        name = self._identity.registration_name()
        edges = register.outbound.edges if register.outbound is not None else ()
        registration = Registration(
            name,
            self._context,
            register,
            call_id=call_id,
            flow_call_ids=tuple(self._identity.call_id() for _ in edges[1:]),
        )
        self._population.registrations[name] = registration
        _attach(registration, register)
        options = register.options
        egress = options.routes
        if not egress and self._context.outbound_proxy and options.next_hop is None:
            egress = (self._context.outbound_proxy,)
        account = Account(
            registration=name,
            credentials=register.credentials,
            egress=egress,
            next_hop=options.next_hop,
        )
        self._accounts.put(register.aor.uri.aor, account)
        self._population.run(registration, registration.start(now), now)

    def _subscribe(self, subscribe: Subscribe, now: float, call_id: str) -> None:
        name = self._identity.subscription_name()
        subscription = OutgoingSubscription(name, self._context, subscribe, call_id=call_id)
        subscription.aor = subscribe.from_address.uri.aor
        subscription.anonymous = wants_privacy(subscribe.options.headers)
        self._population.subscribers[name] = subscription
        self._population.run(subscription, subscription.start(now), now)

    def _publish(self, publish: Publish, now: float, call_id: str) -> None:
        name = self._identity.publication_name()
        publication = Publication(name, self._context, publish, call_id=call_id)
        publication.aor = publish.from_address.uri.aor
        self._population.publications[name] = publication
        self._population.run(publication, publication.start(now), now)


def _attach(user: TransactionUser, command: Creation) -> bool:
    """Whether the one who made it wants to hear at once what comes of it."""
    token = command.token
    if not isinstance(token, Listener):
        return False
    token.user = user
    user.listener = token
    return True


def _target(
    command: commands.Invite | commands.Register | commands.Transact | Subscribe | Publish,
) -> tuple[str, Uri]:
    """Where a command's message is to arrive in the end, and the field that says so."""
    if isinstance(command, commands.Invite):
        if command.request_uri is not None:
            return "request_uri", command.request_uri
        return "to_address.uri", command.to_address.uri
    if isinstance(command, commands.Register):
        return "registrar_uri", command.registrar
    if isinstance(command, (Subscribe, Publish)):
        return "uri", command.uri
    # The one RPC for a MESSAGE has no other address.
    return ("to_address.uri" if command.method == "MESSAGE" else "uri"), command.uri
