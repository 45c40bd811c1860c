"""What this host was told of mail programs and client hosts: an event; a file where the inventory is shared.

Who runs the server of a shared inventory can put any event into it, so there the file alone is believed.
"""

import json
from collections.abc import Iterable, Mapping

from ..config import Site
from ..errors import DamagedFileError, UnsafePathError, quoted
from ..files import actor, exists, read_if_there, write_all
from ..inventory.inventory import Inventory
from ..inventory.rows import HANDOVER, MTA_OPTIONS, OF_HUB, Event, subject_on
from ..model import Artifact
from ..shell import quote
from ..transaction import Transaction

TOLD = (MTA_OPTIONS, OF_HUB)
"""The events that say what is to be written later."""
_WAYS = {
    MTA_OPTIONS: "say anew what is wanted: smtpcreds mta apply {} --defaults",
    OF_HUB: "set it up anew: smtpcreds setup --client BUNDLE",
}


def told_file(site: Site) -> str:
    """Return the path of the file."""
    return f"{site.state}/told.json"


def told_here(site: Site, inventory: Inventory, what: str, program: str) -> str | None:
    """Return the newest of what was told of a mail program of this host, and None for nothing.

    Raises:
        DamagedFileError: the file can't be read, or the server alone says something.
    """
    recorded = _recorded(site, inventory, what, program)
    if not site.machine:
        return recorded
    told = _read(site).get(_key(what, program))
    if told is None and recorded:
        raise _alone(what, program, recorded)
    return told


def _alone(what: str, program: str, recorded: str) -> DamagedFileError:
    reason = f"its server says that {program} was told {quoted(recorded)}, and this host does not"
    return DamagedFileError("the inventory", reason, _WAYS[what].format(program))


def tell(work: Transaction, what: str, program: str, detail: str) -> None:
    """Record what is told, if it is something else than before; the file first, for that is what counts."""
    site, known = work.site, work.known_inventory
    remember(site, what, program, detail)
    if detail != ((known and _recorded(site, known, what, program)) or ""):
        work.inventory.event(Event(work.now, actor(), what, subject_on(site.machine, program), detail))


def remember(site: Site, what: str, subject: str, detail: str) -> None:
    """Write what counts of a mail program or client host into the file, where others share the inventory."""
    if site.machine and (before := _read(site)).get(_key(what, subject)) != detail:
        _write(site, {**before, _key(what, subject): detail})


def remembered(site: Site, what: str, subject: str) -> str | None:
    """Return what the file says of a mail program or client host; None for nothing."""
    return _read(site).get(_key(what, subject))


def keep_told(site: Site, events: Iterable[tuple[str, Event]]) -> None:
    """Write the file of a host that is about to share its inventory, from subjects and their events."""
    kinds = (*TOLD, HANDOVER)
    found = {_key(event.what, subject): event.detail for subject, event in events if event.what in kinds}
    if found or exists(told_file(site)):
        _write(site, found)


def verify_told(site: Site, inventory: Inventory) -> None:
    """Refuse what in a file would count on this host, and the server alone says."""
    known, own = _read(site), subject_on(site.machine, "")
    for what in TOLD:
        for event in inventory.events(what=what):
            program = event.subject.removeprefix(own)
            if event.detail and " " not in program and _key(what, program) not in known:
                raise _alone(what, program, event.detail)


def all_told(site: Site) -> dict[tuple[str, str], str]:
    """Return what the file of a host that shares its inventory says of programs, by event and program."""
    found = ((_parts(key), detail) for key, detail in _read(site).items())
    return {parts: detail for parts, detail in found if parts[0] in TOLD}


def _recorded(site: Site, inventory: Inventory, what: str, program: str) -> str | None:
    events = inventory.events(subject=subject_on(site.machine, program), what=what, limit=1)
    return next((event.detail for event in events), None)


def _key(what: str, program: str) -> str:
    return f"{what} {program}"


def _parts(key: str) -> tuple[str, str]:
    what, _, program = key.rpartition(" ")
    return what, program


def _read(site: Site) -> dict[str, str]:
    path = told_file(site)
    try:
        content = read_if_there(path)
        known = json.loads(content) if content is not None else {}
    except UnsafePathError as error:
        raise DamagedFileError(error.subject, error.reason, error.hint) from None
    except (ValueError, RecursionError):
        known = None
    if not isinstance(known, dict) or not all(isinstance(detail, str) for detail in known.values()):
        way = f"restore it from a backup, or remove it: rm {quote(path)}"
        raise DamagedFileError(path, "is not as smtpcreds writes it", way)
    return known


def _write(site: Site, told: Mapping[str, str]) -> None:
    text = json.dumps(told, indent=1, sort_keys=True)
    write_all([Artifact(told_file(site), f"{text}\n".encode(), note="what mta apply and setup were told")])
