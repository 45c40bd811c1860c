"""Which certificates a renewal means."""

from dataclasses import dataclass
from datetime import datetime

from ..config import Site
from ..errors import DataError, MissingInputError, UsageError
from ..inventory import AuthorityState, Certificate, Inventory, State
from ..pki.keys import parse_key_type
from ..pki.profiles import HOST_PROFILES
from .due import is_due
from .layout import lifetime_of

SHOWN = 8
"""Hosts that a message names."""


@dataclass(frozen=True, slots=True)
class Renewals:
    """What ``cert renew`` is asked for.

    Attributes:
        hosts: names; empty with ``due``.
        due: everything past two thirds of its life.
        new_key: make new keys; otherwise the keys stay.
        next_key: take the keys that wait beside the pairs; only where one waits.
        key_type: of the new keys; None is that of the former one.
        days: lifetime; None is that of the former certificate.
    """

    hosts: tuple[str, ...] = ()
    due: bool = False
    new_key: bool = False
    next_key: bool = False
    key_type: str | None = None
    days: int | None = None

    def __post_init__(self) -> None:
        if self.due == bool(self.hosts):
            raise UsageError("cert renew", "takes hosts or --due, one of them", "smtpcreds cert renew HOST")
        if self.key_type and not self.new_key:
            raise UsageError("--key-type", "needs a new key", f"--new-key --key-type {self.key_type}")
        if self.key_type:
            parse_key_type(self.key_type)
        if self.days is not None:
            lifetime_of(self.days)


def due_rows(site: Site, inventory: Inventory, end: datetime) -> list[Certificate]:
    """Return the certificates here that are past two thirds of their life, the next to expire first.

    Args:
        site: its clock, and who is warned of those that can't be renewed here.
        inventory: what there is.
        end: of the authority; what lives as long as it gains nothing by a renewal.
    """
    now = site.clock()
    rows = (row for row in inventory.listing(latest=True) if row.profile in HOST_PROFILES)
    late = [row for row in rows if is_due(row.not_before, row.not_after, now)]
    ours = _ours(inventory)
    foreign = [row.host for row in late if row.authority not in ours and row.not_after > now]
    if foreign:
        site.warn(f"{_some(foreign)}: to be renewed by the CA that signed it: smtpcreds cert request HOST")
    due = [row for row in late if row.authority in ours]
    elsewhere = [row.host for row in due if not row.directory and row.not_after > now]
    if elsewhere:
        site.warn(f"{_some(elsewhere)}: to be renewed where the key is kept: smtpcreds cert sign CSR")
    others = [row for row in due if row.directory and not row.is_on(site.machine)]
    for machine in dict.fromkeys(row.machine for row in others):
        site.warn(
            f"{_some([row.host for row in others if row.machine == machine])}: to be renewed on {machine}"
        )
    due = [row for row in due if row.is_on(site.machine)]
    last = [row.host for row in due if row.not_after >= end]
    if last:
        site.warn(
            f"{_some(last)}: ends with the authority on {end:%Y-%m-%d}; see: smtpcreds ca rollover --help"
        )
    return [row for row in due if row.not_after < end]


def rows_of(site: Site, inventory: Inventory, text: str) -> list[Certificate]:
    """Return the newest certificates of a host, one of each place.

    Raises:
        NameRefusedError: a bad name.
        MissingInputError: the host is unknown; the reason names those that are known.
        DataError: all that it had was revoked, its key is kept elsewhere, or another CA certifies it.
    """
    host = site.qualify(text)
    rows = [row for row in inventory.listing(host=host, latest=True) if row.profile in HOST_PROFILES]
    ours = _ours(inventory)
    if found := [row for row in rows if row.is_on(site.machine) and row.authority in ours]:
        return found
    if elsewhere := next((row for row in rows if row.directory and row.authority in ours), None):
        raise DataError(host, f"is installed on {elsewhere.machine}", "renew it there")
    if any(row.authority not in ours for row in rows):
        raise DataError(host, "is certified by another CA", f"smtpcreds cert request {host}")
    if rows:
        hint = "make a request there, then here: smtpcreds cert sign CSR"
        raise DataError(host, "keeps its own key, so it can't be renewed here", hint)
    if revoked := next(inventory.listing(host=host, state=State.REVOKED, limit=1), None):
        reason = f"was revoked ({revoked.reason})"
        raise DataError(host, reason, f"give it a new one: smtpcreds cert issue {host}")
    raise MissingInputError(
        host, f"is not in the inventory; {_known(inventory, host)}", "smtpcreds cert list"
    )


def _ours(inventory: Inventory) -> set[int]:
    return {ca.id for ca in inventory.authorities() if ca.state is not AuthorityState.FOREIGN}


def _known(inventory: Inventory, host: str) -> str:
    from difflib import get_close_matches

    hosts = list(dict.fromkeys(row.host for row in inventory.listing(latest=True)))
    if not hosts:
        return "it holds no certificates yet"
    return f"known: {_some(get_close_matches(host, hosts, 3) or sorted(hosts))}"


def _some(hosts: list[str]) -> str:
    more = len(hosts) - SHOWN
    return ", ".join(hosts[:SHOWN]) + (f" and {more} more" if more > 0 else "")
