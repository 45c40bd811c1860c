"""Telling the mail server, and taking everything back when it can't be told.

Until the command has succeeded the new certificates are pending in the inventory. A failure discards them.
They are not revoked: their keys are the former ones or were deleted, and a command that fails every night
would fill the CRL. By serial number they can be revoked all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import UnavailableError
from ..pki.values import Issuer
from ..transaction import Transaction
from .former import Former
from .reload import Hook


@dataclass(frozen=True, slots=True)
class Unproven:
    """A certificate that is in place, and what was there before."""

    host: str
    serial: str
    former: Former


def reload_or_roll_back(work: Transaction, issuer: Issuer, hook: Hook, unproven: Sequence[Unproven]) -> None:
    """Run the hook; if it fails, bring the former pairs back and run it again.

    Raises:
        UnavailableError: it failed; the reason says what is in place now.
    """
    try:
        hook.run()
    except UnavailableError as error:
        if not unproven:
            raise
        raise UnavailableError(
            str(hook), f"{error.reason}; {_roll_back(work, issuer, hook, unproven)}"
        ) from None


def _roll_back(work: Transaction, issuer: Issuer, hook: Hook, unproven: Sequence[Unproven]) -> str:
    for item in unproven:
        item.former.put_back()
    authority = work.row(issuer.certificate)
    with work.inventory.transaction():
        for item in unproven:
            work.inventory.discard(authority.id, item.serial, f"rolled back: {hook} failed")
            work.record("cert roll back", item.host, f"serial {item.serial}")
    hosts = ", ".join(item.host for item in unproven)
    again = "and it was run again with that" if _ran(hook) else "but run again with that it failed again"
    return f"the former pair of {hosts} is back in place, {again}"


def _ran(hook: Hook) -> bool:
    try:
        hook.run()
    except UnavailableError:
        return False
    return True
