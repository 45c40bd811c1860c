"""How the files of a mail program stand on disk, compared with what would be written now."""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..authority.reading import has_inventory, reading
from ..config import Site
from ..errors import DataError
from ..files import check_target, read_public
from ..files.owner import owner as file_owner
from ..inventory import Inventory
from ..model import Owner
from ..mta.port import Content, Facts, Map, Program, Rendered
from ..mta.port import octets as with_secrets
from ..sasldb import bdb
from .owners import owner_of
from .written import digest, digests


class Status(StrEnum):
    """What a file on disk is to us."""

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"
    """As it was written once; something else would be written now."""
    EDITED = "edited"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Standing:
    """One file.

    Attributes:
        rendered: what is wanted.
        path: where, on this disk.
        owner: that it is to have; None where the running user can't give files away.
        status: what is there.
        found: what it says, of a map the records as lines; None where there is nothing to read.
        excess: what is wrong with mode and owner, one phrase each.
        is_known: that this content is ours is remembered already.
    """

    rendered: Rendered
    path: str
    owner: Owner | None
    status: Status
    found: bytes | None = field(repr=False, default=None)
    excess: tuple[str, ...] = ()
    is_known: bool = False

    @property
    def is_due(self) -> bool:
        """Tell whether it is to be written."""
        return self.status is not Status.CURRENT or bool(self.excess)


def standings(site: Site, program: Program, facts: Facts) -> list[Standing]:
    """Look at the program's files; see :func:`look`."""
    rendered = program.render(facts)
    if not has_inventory(site):
        return look(site, rendered, None)
    with reading(site) as inventory:
        return look(site, rendered, inventory)


def look(site: Site, rendered: Iterable[Rendered], inventory: Inventory | None) -> list[Standing]:
    """Look at every file.

    Raises:
        UnsafePathError: something that is no file of root or of ours stands in the way.
        DeniedError: a file that the running user can't read.
        UnavailableError: the user or group that it is to belong to does not exist.
    """
    return [_look(site, item, inventory) for item in rendered]


def wanted_text(rendered: Rendered) -> Content:
    """Return what a file is to say; of a map, its records as lines."""
    return _lines(rendered.records) if isinstance(rendered, Map) else rendered.content


def octets_of(rendered: Rendered) -> bytes:
    """Return the file as it is written."""
    if isinstance(rendered, Map):
        end = rendered.terminator
        records = {key + end: with_secrets(value) + end for key, value in rendered.records.items()}
        return bdb.encode(records, subject=rendered.path)
    return with_secrets(rendered.content)


def _look(site: Site, rendered: Rendered, inventory: Inventory | None) -> Standing:
    path = site.path(rendered.path)
    owner = owner_of(site.root, rendered.user, rendered.group)
    status = check_target(path)
    if status is None:
        return Standing(rendered, path, owner, Status.MISSING)
    found = _text(rendered, path)
    known = digests(site, inventory, path)
    return Standing(
        rendered,
        path,
        owner,
        _status(rendered, found, known),
        found,
        _excess(rendered, owner, status),
        is_known=found is not None and digest(found) in known,
    )


def _status(rendered: Rendered, found: bytes | None, known: set[str]) -> Status:
    if found is not None and found == with_secrets(wanted_text(rendered)):
        return Status.CURRENT
    if found is not None and digest(found) in known:
        return Status.OUTDATED
    return Status.EDITED if known else Status.FOREIGN


def _text(rendered: Rendered, path: str) -> bytes | None:
    content = read_public(path)
    if not isinstance(rendered, Map):
        return content
    try:
        records = bdb.decode(content, subject=path)
    except DataError:
        return None
    end = rendered.terminator
    return with_secrets(
        _lines({key.removesuffix(end): (value.removesuffix(end),) for key, value in records.items()})
    )


def _lines(records: Mapping[bytes, Content]) -> Content:
    lines: list[Content] = [(key + b"\t", *records[key], b"\n") for key in sorted(records)]
    return tuple(piece for line in lines for piece in line)


def _excess(rendered: Rendered, owner: Owner | None, found: os.stat_result) -> tuple[str, ...]:
    mode, faults = stat.S_IMODE(found.st_mode), []
    if mode & ~rendered.mode:
        faults.append(f"has mode {mode:04o}, more than {rendered.mode:04o}")
    if owner and (found.st_uid, found.st_gid) != (owner.uid, owner.gid):
        faults.append(f"belongs to {file_owner(found)}, not to {rendered.user}:{rendered.group}")
    return tuple(faults)
