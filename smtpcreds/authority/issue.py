"""Issuing: which hosts get a certificate with a new key, and which are refused before anything happens."""

from collections.abc import Callable, Iterable, Sequence

from ..errors import NameRefusedError, SmtpcredsError, UsageError
from ..pki.constraints import Names, constraints_of, refusal
from ..pki.issue import new_serial
from ..pki.keys import generate
from ..pki.values import Certificate, Issuer, validity
from ..transaction import Transaction
from .batch import Draft, Issued, Outcome, Refused, carry_out
from .orders import Order
from .publish import refresh_elders
from .standing import refuse_standing

__all__ = ["Issued", "Outcome", "Refused", "issue", "verify_permitted"]


def issue(
    work: Transaction,
    orders: Sequence[Order],
    *,
    force: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Issue certificates with new keys; each order is carried out whole or not at all.

    Args:
        work: whose authority signs.
        orders: what is wanted.
        force: replace valid pairs and half pairs.
        progress: called after each certificate.

    Raises:
        MissingInputError: there is no authority.
        SmtpcredsError: why the only order can't be carried out.
    """
    accepted, refused = _sorted_out(work, orders, force=force)
    if len(orders) == 1 and refused:
        raise refused[0].error
    for one in refused:
        work.note("leave", one.host, str(one.error))
    issuer = work.issuer()
    refresh_elders(work)
    drafts = [_draft(work, order, issuer) for order in accepted]
    done, _ = carry_out(work, issuer, drafts, "cert issue", progress=progress)
    return _in_order(orders, [*done, *refused])


def verify_permitted(order: Order, chain: Iterable[Certificate]) -> None:
    """Check the names of an order against the name constraints of the authorities.

    Raises:
        NameRefusedError: one is not permitted.
    """
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    if fault := refusal(constraints, Names((order.host, *order.dns_names), order.addresses)):
        raise NameRefusedError(order.host, fault, "choose another name, or see: smtpcreds ca rollover --help")


def _in_order(orders: Iterable[Order], outcomes: Iterable[Outcome]) -> list[Outcome]:
    hosts = {host: place for place, host in enumerate(dict.fromkeys(order.host for order in orders))}
    return sorted(outcomes, key=lambda outcome: hosts[_host(outcome)])


def _host(outcome: Outcome) -> str:
    return outcome.order.host if isinstance(outcome, Issued) else outcome.host


def _sorted_out(
    work: Transaction, orders: Sequence[Order], *, force: bool
) -> tuple[list[Order], list[Refused]]:
    chain = work.ca.chain
    for directory in {order.pair.directory for order in orders}:
        work.beside(directory)
    accepted: dict[str, Order] = {}
    refused: list[Refused] = []
    for order in orders:
        try:
            if order.host in accepted:
                raise UsageError(order.host, "is named twice")
            verify_permitted(order, chain)
            if not force:
                refuse_standing(order.pair, order.host, work.now, work.known_inventory)
        except SmtpcredsError as error:
            refused.append(Refused(order.host, error))
        else:
            accepted[order.host] = order
    return list(accepted.values()), refused


def _draft(work: Transaction, order: Order, issuer: Issuer) -> Draft:
    return Draft(order, generate(order.key_type), new_serial(), validity(work.now, order.lifetime, issuer))
