"""The inventory in a database of the other kind, with every row and the chain of events."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..config import Site
from ..errors import DamagedFileError, DataError, ExistsError, UnsafePathError, UsageError, number_of, quoted
from ..files import (
    actor,
    audit_to_syslog,
    check_target,
    exists,
    is_directory,
    real_path,
    require_directory,
    sweep_target,
    write_new,
)
from ..inventory.chain import Head
from ..inventory.inventory import Inventory, open_inventory, read_snapshot
from ..inventory.rows import FETCHES, MTA_FILE, Event, subject_on
from ..lazy import dataclass
from ..model import Artifact
from ..postgres import is_url, parse_url
from ..shell import quote
from ..transaction import Transaction
from .altered import CURE_EVENTS
from .directory import known_here, not_known_here, pair_at
from .told import TOLD, all_told, keep_told, remembered, verify_told

CONVERTED = "inventory convert"
"""The event, recorded in the new inventory alone."""


@dataclass(frozen=True)
class Conversion:
    """What was written where.

    Attributes:
        source: path or URL of the inventory that was read, which stays as it is.
        target: path or URL of the one that was written.
        certificates: how many it holds.
        source_head: the end of the chain that was copied.
        head: the end of the target's chain, one event later.
    """

    source: str
    target: str
    certificates: int
    source_head: Head
    head: Head


def convert(work: Transaction, target: str, *, force: bool = False) -> Conversion:
    """Write the inventory to a new file or into an empty PostgreSQL database, all of it or nothing.

    Args:
        work: of a site whose inventory is read.
        target: absolute path, or URL.
        force: copy a chain of events that is broken, and places that only a server names, too.

    Raises:
        UsageError: the target is the inventory itself.
        ExistsError: there is something in it.
        MissingInputError: there is no inventory.
        DamagedFileError: the inventory can't be read, or the target reads back otherwise.
        DataError: the chain of events is broken.
        UnsafePathError: a file would have later runs write where an inventory's server alone says so.
    """
    _refuse_target(work.site, target)
    source = work.require_inventory()
    source.verify_integrity()
    chain = source.chain()
    if chain.broken and not force:
        reason = f"its chain of events is broken at event {chain.broken[0]}; nothing was written"
        raise DataError(work.site.inventory, reason, f"{CURE_EVENTS}, or pass --force")
    if not (force or is_url(target)):
        _verify_places(work.site, source)
    where = _recorded(work.site, work.site.inventory)
    detail = f"{number_of(chain.head.events, 'event')} of {where}, head {chain.head.hash}"
    deed = Event(work.now, actor(), CONVERTED, _recorded(work.site, target), detail)
    with _new(work.site, target) as inventory, inventory.transaction():
        source.copy_to(inventory)
        for event in _of_this_host(work, source, target):
            inventory.event(event)
        inventory.event(deed)
        head = inventory.chain().head
        count = sum(1 for _ in inventory.listing())
    audit_to_syslog(work.site.warn, deed.what, [(deed.subject, deed.detail)])
    return Conversion(work.site.inventory, target, count, chain.head, head)


def _of_this_host(work: Transaction, source: Inventory, target: str) -> list[Event]:
    """Return what is recorded of this host's mail programs under the name that it has in the new inventory.

    Of a file each content counts that was ever written, of the others the newest; of an inventory that others
    share what this host says itself.
    """
    old, new = work.site.machine, work.site.machine_at(target)
    found: dict[tuple[str, str, str], Event] = {}
    for what in (*TOLD, MTA_FILE) if old != new else ():
        for event in source.events(what=what):
            own = event.subject.removeprefix(subject_on(old, ""))
            if subject_on(old, own) == event.subject:
                found.setdefault((what, own, event.detail if what == MTA_FILE else ""), event)
    if old and not new:
        for (what, own), detail in all_told(work.site).items():
            found[what, own, ""] = Event(work.now, actor(), what, own, detail)
    if new and not old:
        given = ((event.subject, event) for event in reversed([*source.deliveries()]))
        keep_told(work.site, (*given, *((own, event) for (_, own, _), event in found.items())))
    return [replace(event, subject=subject_on(new, own)) for (_, own, _), event in reversed(found.items())]


def _refuse_target(site: Site, target: str) -> None:
    if not is_url(target):
        require_directory(target)
    if target == site.inventory or _is_file(target, site.inventory):
        raise UsageError(target, "is the inventory itself", "name the one that is to be made")
    if is_url(target):
        parse_url(target)
        return
    check_target(target)
    sweep_target(target)
    if exists(target):
        raise ExistsError(target, "exists and was not changed", f"move it away: mv {quote(target)} DIR")


def _verify_places(site: Site, source: Inventory) -> None:
    """Refuse what a server alone says: in a file it would be this host's own word."""
    if not site.machine:
        return
    verify_told(site, source)
    is_known = known_here(site)
    hosts = {pair_at(site, row).directory: row.host for row in source.listing() if row.directory}
    for directory, host in hosts.items():
        if is_directory(directory) and not is_known(directory):
            raise not_known_here(directory, host)
    for pull in source.pulls.all():
        if remembered(site, FETCHES, pull.host) not in (None, pull.wish):
            reason = f"has {pull.host} fetch what this hub did not authorize: {quoted(pull.wish)}"
            hint = f"smtpcreds bundle {quote(pull.host)} --authorize KEY.pub"
            raise DamagedFileError("the inventory", reason, hint)
    usual = _recorded(site, site.sasldb)
    for row in source.rotations.unfinished():
        if row.sasldb != usual:
            reason = f"has {row.account} replaced in {row.sasldb!a}, which is not this host's database"
            raise UnsafePathError(site.inventory, reason, "--force to copy it, if it is right")


def _is_file(target: str, inventory: str) -> bool:
    return not (is_url(target) or is_url(inventory)) and real_path(target) == real_path(inventory)


def _recorded(site: Site, place: str) -> str:
    return place if is_url(place) else site.root.record(place)


@contextmanager
def _new(site: Site, target: str) -> Iterator[Inventory]:
    """Give an empty inventory that nobody else writes to; a file appears whole, when the block ends."""
    if is_url(target):
        opened = open_inventory(target, machine=site.machine_at(target), common=site.common)
        with opened as inventory, inventory.alone():
            yield inventory
        return
    with read_snapshot(b"", target) as inventory:
        yield inventory
        write_new(Artifact(target, inventory.snapshot() or b"", 0o600))
