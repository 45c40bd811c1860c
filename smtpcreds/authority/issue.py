"""Issuing: which hosts get a certificate with a new key, and which are refused before anything happens."""

from collections.abc import Callable, Iterable, Sequence

from ..config import Site
from ..errors import NameRefusedError, SmtpcredsError, UsageError
from ..inventory import Inventory
from ..model import Plan, Step
from ..pki.constraints import Names, constraints_of, refusal
from ..pki.issue import new_serial
from ..pki.keys import generate
from ..pki.values import Certificate, Issuer, validity
from .batch import Draft, Issued, Outcome, Refused, carry_out
from .ca import Passphrase, certificates, once, open_issuer
from .elder_crls import refresh_elders
from .everywhere import verify_place
from .office import at_the_office
from .orders import Order
from .reading import looking, unsettled
from .standing import refuse_standing

__all__ = ["Issued", "Outcome", "Refused", "plan_issue", "verify_permitted"]


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
    with looking(site) as inventory:
        accepted, refused = _sorted_out(site, orders, chain, inventory, force=force)
    if len(orders) == 1 and refused:
        raise refused[0].error

    def apply() -> list[Outcome]:
        asked = once(passphrase)
        issuer = open_issuer(site, asked)
        refresh_elders(site, asked)
        return _issue(site, orders, issuer, progress, force=force)

    return Plan(tuple(step for order in accepted for step in _steps(order)), apply)


def verify_permitted(order: Order, chain: Iterable[Certificate]) -> None:
    """Check the names of an order against the name constraints of the authorities.

    Raises:
        NameRefusedError: one is not permitted.
    """
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    if fault := refusal(constraints, Names((order.host, *order.dns_names), order.addresses)):
        raise NameRefusedError(order.host, fault, "choose another name, or see: smtpcreds ca rollover --help")


def _issue(
    site: Site, orders: Sequence[Order], issuer: Issuer, progress: Callable[[], None], *, force: bool
) -> list[Outcome]:
    with at_the_office(site, issuer) as office:
        accepted, refused = _sorted_out(site, orders, issuer.path, office.inventory, force=force)
        drafts = [_draft(site, order, issuer) for order in accepted]
        done, _ = carry_out(office, drafts, "cert issue", progress=progress)
    return _in_order(orders, [*done, *refused])


def _in_order(orders: Iterable[Order], outcomes: Iterable[Outcome]) -> list[Outcome]:
    hosts = {host: place for place, host in enumerate(dict.fromkeys(order.host for order in orders))}
    return sorted(outcomes, key=lambda outcome: hosts[_host(outcome)])


def _host(outcome: Outcome) -> str:
    return outcome.order.host if isinstance(outcome, Issued) else outcome.host


def _sorted_out(
    site: Site,
    orders: Sequence[Order],
    chain: Iterable[Certificate],
    inventory: Inventory | None,
    *,
    force: bool,
) -> tuple[list[Order], list[Refused]]:
    for directory in {order.pair.directory for order in orders}:
        verify_place(site, directory)
    pending = unsettled(site, inventory)
    accepted: dict[str, Order] = {}
    refused: list[Refused] = []
    for order in orders:
        try:
            if order.host in accepted:
                raise UsageError(order.host, "is named twice")
            verify_permitted(order, chain)
            if not force and order.pair.stem not in pending:
                refuse_standing(order.pair, order.host, site.clock(), inventory)
        except SmtpcredsError as error:
            refused.append(Refused(order.host, error))
        else:
            accepted[order.host] = order
    return list(accepted.values()), refused


def _draft(site: Site, order: Order, issuer: Issuer) -> Draft:
    return Draft(
        order, generate(order.key_type), new_serial(), validity(site.clock(), order.lifetime, issuer)
    )


def _steps(order: Order) -> Iterable[Step]:
    note = f"{order.host}: {order.profile.label}, {order.key_type.label}, {order.lifetime.days} days"
    return (Step("write", order.pair.key, 0o600, note), Step("write", order.pair.certificate, 0o600))
