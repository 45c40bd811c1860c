"""Issuing: the intention is recorded, then keys are written, then certificates, then the outcome."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..config import Site
from ..errors import NameRefusedError, SmtpcredsError, UsageError
from ..files import write_all
from ..inventory import Authority, Intent, Inventory, Signed, serial_text
from ..model import Artifact, Link, Plan, Step
from ..pki.constraints import Names, constraints_of, refusal
from ..pki.issue import new_serial, sign
from ..pki.keyfile import encode_key
from ..pki.keys import PrivateKey, generate, public_id
from ..pki.pem import encode_der
from ..pki.values import Certificate, Issuer, Request, Validity, validity
from .ca import Passphrase, certificates, once, open_issuer
from .elder_crls import refresh_elders
from .everywhere import around
from .install import certificate_file, check, prepare
from .layout import BUNDLE
from .ledger import at_work, enrolled, record
from .orders import Order
from .recover import recover
from .revocations import current_crl
from .standing import refuse_foreign_bundle, refuse_standing


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that is in place; ``shortened`` to the end of the authority."""

    order: Order
    certificate: Certificate
    shortened: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that was not carried out; nothing of it is on disk."""

    order: Order
    error: SmtpcredsError


@dataclass(frozen=True, slots=True)
class _Draft:
    order: Order
    key: PrivateKey
    serial: int
    validity: Validity

    @property
    def request(self) -> Request:
        return Request(self.order.host, self.key.public_key(), self.order.dns_names, self.order.addresses)


Outcome = Issued | Refused


def plan_issue(
    site: Site,
    orders: Sequence[Order],
    passphrase: Passphrase,
    *,
    force: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Plan[list[Outcome]]:
    """Plan certificates with new keys; each order is carried out whole or not at all.

    Args:
        site: whose authority signs.
        orders: what is wanted.
        passphrase: asked once if the CA key is encrypted.
        force: replace valid pairs and half pairs.
        progress: called after each certificate.

    Raises:
        MissingInputError: there is no authority.
        SmtpcredsError: why the only order can't be carried out.
    """
    chain = certificates(site)
    accepted, refused = _sorted_out(site, orders, chain, None, force=force)
    if len(orders) == 1 and refused:
        raise refused[0].error

    def apply() -> list[Outcome]:
        asked = once(passphrase)
        issuer = open_issuer(site, asked)
        refresh_elders(site, asked)
        return _issue(site, orders, issuer, progress, force=force)

    return Plan(tuple(step for order in accepted for step in _steps(order)), apply)


def _issue(
    site: Site, orders: Sequence[Order], issuer: Issuer, progress: Callable[[], None], *, force: bool
) -> list[Outcome]:
    with at_work(site) as inventory:
        authority = enrolled(site, inventory, issuer)
        accepted, refused = _sorted_out(site, orders, issuer.path, inventory, force=force)
        if not force:
            _spare_bundles(accepted, issuer, inventory)
        drafts = [_draft(site, order, issuer) for order in accepted]
        inventory.intend(_intent(site, authority, draft) for draft in drafts)
        try:
            issued = _carry_out(site, inventory, authority, issuer, drafts, progress)
        except SmtpcredsError:
            recover(replace(site, warn=lambda _: None), inventory)
            raise
    outcomes: list[Outcome] = [*issued, *refused]
    done = {id(outcome.order): outcome for outcome in outcomes}
    return [done[id(order)] for order in orders]


def _spare_bundles(orders: Iterable[Order], issuer: Issuer, inventory: Inventory) -> None:
    ours = {row.der for row in inventory.authorities()} | {encode_der(ca) for ca in issuer.path}
    for directory in {order.pair.directory for order in orders}:
        refuse_foreign_bundle(f"{directory}/{BUNDLE}", ours)


def _carry_out(
    site: Site,
    inventory: Inventory,
    authority: Authority,
    issuer: Issuer,
    drafts: Sequence[_Draft],
    progress: Callable[[], None],
) -> list[Issued]:
    signed: list[tuple[_Draft, Certificate]] = []
    for draft in drafts:
        signed.append((draft, sign(draft.request, draft.order.profile, issuer, draft.serial, draft.validity)))
        progress()
    inventory.signed(authority.id, [_signed(draft, certificate) for draft, certificate in signed])
    current_crl(site, inventory, authority, issuer)
    artifacts: list[Artifact | Link] = []
    for directory in dict.fromkeys(draft.order.pair.directory for draft in drafts):
        prepare(site, directory)
        artifacts += around(site, directory)
    for draft, certificate in signed:
        pair = draft.order.pair
        artifacts.append(Artifact(pair.key, encode_key(draft.key)))
        artifacts.append(Artifact(pair.certificate, certificate_file(certificate, issuer.path)))
    write_all(artifacts)
    with inventory.transaction():
        inventory.issued(authority.id, [serial_text(draft.serial) for draft in drafts])
        for draft in drafts:
            record(site, inventory, "cert issue", draft.order.host, f"serial {serial_text(draft.serial)}")
    return [Issued(draft.order, certificate, draft.validity.shortened) for draft, certificate in signed]


def _sorted_out(
    site: Site,
    orders: Sequence[Order],
    chain: Iterable[Certificate],
    inventory: Inventory | None,
    *,
    force: bool,
) -> tuple[list[Order], list[Refused]]:
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    accepted: dict[str, Order] = {}
    refused: list[Refused] = []
    for order in orders:
        try:
            if order.host in accepted:
                raise UsageError(order.host, "is named twice")
            if fault := refusal(constraints, Names((order.host, *order.dns_names), order.addresses)):
                raise NameRefusedError(
                    order.host, fault, "choose another name, or see: smtpcreds ca rollover --help"
                )
            check(order.pair.directory)
            if not force:
                refuse_standing(order.pair, order.host, site.clock(), inventory)
        except SmtpcredsError as error:
            refused.append(Refused(order, error))
        else:
            accepted[order.host] = order
    return list(accepted.values()), refused


def _draft(site: Site, order: Order, issuer: Issuer) -> _Draft:
    span = validity(site.clock(), order.lifetime, issuer)
    return _Draft(order, generate(order.key_type), new_serial(), span)


def _intent(site: Site, authority: Authority, draft: _Draft) -> Intent:
    order, span = draft.order, draft.validity
    return Intent(
        authority.id,
        serial_text(draft.serial),
        order.host,
        order.profile.name,
        order.names,
        span.not_before,
        span.not_after,
        site.clock(),
        site.root.record(order.pair.stem),
    )


def _signed(draft: _Draft, certificate: Certificate) -> Signed:
    return Signed(serial_text(draft.serial), public_id(draft.key), encode_der(certificate))


def _steps(order: Order) -> Iterable[Step]:
    note = f"{order.host}: {order.profile.label}, {order.key_type.label}, {order.lifetime.days} days"
    return (Step("write", order.pair.key, 0o600, note), Step("write", order.pair.certificate, 0o600))
