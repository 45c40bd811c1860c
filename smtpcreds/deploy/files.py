"""The files of a mail program: what stands on disk, compared and written."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import field, replace
from difflib import unified_diff
from enum import StrEnum
from hashlib import sha256

from ..ca.layout import has_inventory, reading
from ..config import Site
from ..errors import DataError, ExistsError, UnavailableError
from ..files import (
    actor,
    audit_to_syslog,
    check_parents,
    check_target,
    ensure_directory,
    is_directory,
    read_public,
    sweep_target,
    write_all,
)
from ..files.guard import owner as file_owner
from ..inventory.inventory import Inventory
from ..inventory.rows import MTA_FILE, Event, subject_on
from ..lazy import dataclass
from ..model import Artifact, Owner, Root, decimal
from ..mta import auth_info, nullmailer, placed
from ..mta.program import Content, Facts, Map, Program, Rendered, is_secret, masked
from ..mta.program import octets as with_secrets
from ..sasldb import bdb
from ..sasldb.replace import open_regular, wake_readers
from ..secret import Secret
from ..transaction import Transaction

# Which files of a mail program are ours: the inventory remembers a digest of everything that was written.
#
# A digest is an event, recorded before the file appears, so that a killed run leaves no file that nobody
# knows. It goes to the inventory only, never to syslog: that of a weak secret can be guessed.


def digest(content: bytes) -> str:
    """Return the SHA-256 of what a file says, lower-case hex."""
    return sha256(content).hexdigest()


def remember(site: Site, inventory: Inventory, path: str, content: bytes) -> None:
    """Record that a file is about to get this content."""
    inventory.event(Event(site.clock(), actor(), MTA_FILE, _subject(site, path), digest(content)))


def digests(site: Site, inventory: Inventory | None, path: str) -> set[str]:
    """Return the digests of all that was ever written to the path; none where there is no inventory."""
    if inventory is None:
        return set()
    return {event.detail for event in inventory.events(subject=_subject(site, path), what=MTA_FILE)}


def _subject(site: Site, path: str) -> str:
    """Return the path as it is recorded; several hosts may share an inventory."""
    return subject_on(site.machine, site.root.record(path))


# Names of users and groups to numbers, where files are written.


def owner_of(root: Root, user: str, group: str) -> Owner | None:
    """Return the numbers; None where the running user can't give files away.

    Another root's own /etc/passwd and /etc/group are believed, if it has them.
    """
    if os.geteuid() != 0:
        return None
    return Owner(_number(root, "passwd", user), _number(root, "group", group))


def groups_of(root: Root, user: str) -> set[int]:
    """Return the groups that a user is a member of, beyond its own, by number."""
    path = root.path("/etc/group")
    text = read_public(path).decode(errors="replace") if os.path.exists(path) else ""
    rows = ([*line.split(":"), "", "", ""] for line in text.splitlines())
    members = (decimal(row[2]) for row in rows if user in row[3].split(","))
    return {number for number in members if number is not None}


def group_name(root: Root, number: int) -> str:
    """Return the name of a group; empty where the root does not know it."""
    path = root.path("/etc/group")
    text = read_public(path).decode(errors="replace") if os.path.exists(path) else ""
    rows = ([*line.split(":"), "", ""] for line in text.splitlines())
    return next((row[0] for row in rows if row[2] == str(number)), "")


def _number(root: Root, database: str, name: str) -> int:
    if name == "root":
        return 0
    path = root.path(f"/etc/{database}")
    if root.is_host or not os.path.exists(path):
        return _of_host(database, name)
    for line in read_public(path).decode(errors="replace").splitlines():
        found, _, number, *_ = [*line.split(":"), "", ""]
        if found == name and (known := decimal(number)) is not None:
            return known
    raise _unknown(path, name)


def _of_host(database: str, name: str) -> int:
    import grp
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if database == "passwd" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise _unknown(f"/etc/{database}", name) from None


def _unknown(path: str, name: str) -> UnavailableError:
    return UnavailableError(path, f"knows no {name}", "install the mail program first; its package makes it")


# How the files of a mail program stand on disk, compared with what would be written now.


class Status(StrEnum):
    """What a file on disk is to us."""

    MISSING = "missing"
    CURRENT = "current"
    OUTDATED = "outdated"
    """As it was written once; something else would be written now."""
    EDITED = "edited"
    FOREIGN = "foreign"
    SAMPLE = "sample"
    """Of a distribution's package; it is nobody's."""


@dataclass(frozen=True)
class FileStatus:
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


def are_unrecorded(standings: Iterable[FileStatus]) -> bool:
    """Tell whether files are there, and the inventory knows of none that was ever written in their places.

    So it is after the inventory was lost, and with it the options that they were made with.
    """
    found = {(s.status, s.is_known) for s in standings if s.status not in {Status.MISSING, Status.SAMPLE}}
    return bool(found) and found <= {(Status.FOREIGN, False), (Status.CURRENT, False)}


def file_statuses(site: Site, program: Program, facts: Facts) -> list[FileStatus]:
    """Look at the program's files; see :func:`file_statuses_of`."""
    rendered = placed.render(program, facts)
    if not has_inventory(site):
        return file_statuses_of(site, rendered, None)
    with reading(site) as inventory:
        return file_statuses_of(site, rendered, inventory)


def file_statuses_of(
    site: Site, rendered: Iterable[Rendered], inventory: Inventory | None
) -> list[FileStatus]:
    """Look at every file."""
    return [_file_status(site, item, inventory) for item in rendered]


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


_SAMPLES = {auth_info.DEFAULT_PATH: auth_info.is_sample, nullmailer.PATH: nullmailer.is_sample}
"""What the packages of distributions put in the place of a file of ours; nobody's work."""


def _file_status(site: Site, rendered: Rendered, inventory: Inventory | None) -> FileStatus:
    path = site.path(rendered.path)
    owner = owner_of(site.root, rendered.user, rendered.group)
    status = check_target(path)
    if status is None:
        return FileStatus(rendered, path, owner, Status.MISSING)
    found = _text(rendered, path)
    known = digests(site, inventory, path)
    return FileStatus(
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
    if found is not None and rendered.path in _SAMPLES and _SAMPLES[rendered.path](found):
        return Status.SAMPLE
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


# Writing the files of a mail program: on this host, or below a directory for another one.

_REASONS = {
    Status.FOREIGN: "was not written by smtpcreds, and was not changed",
    Status.EDITED: "was edited since smtpcreds wrote it, and was not changed",
}


def copy_to(
    work: Transaction, program: Program, facts: Facts, directory: str, *, force: bool = False
) -> list[FileStatus]:
    """Write the files below another directory, to be carried to the host that they are for; return them."""
    there = replace(work.site, root=Root(directory))
    found = file_statuses_of(there, placed.render(program, facts), None)
    due = due_files(found, "another directory, or --force to replace it", force=force)
    write_files(due)
    if any(is_secret(wanted_text(item.rendered)) for item in due):
        audit_to_syslog(
            work.site.warn, "mta render", [(f"{program.NAME} for {facts.host}", f"to {directory}")]
        )
    return due


def due_files(found: Iterable[FileStatus], hint: str, *, force: bool) -> list[FileStatus]:
    """Return what is to be written; a map with its source, than which it would be older."""
    found = list(found)
    sources = {standing.path for standing in found if standing.is_due}
    due = [standing for standing in found if standing.is_due or standing.path.removesuffix(".db") in sources]
    for standing in due:
        if standing.status in _REASONS and not force:
            raise ExistsError(standing.path, _REASONS[standing.status], hint)
    return due


def write_files(due: list[FileStatus]) -> None:
    """Write the files; daemons that have a replaced map open notice."""
    for directory in dict.fromkeys(os.path.dirname(s.path) for s in due):
        if not is_directory(directory):
            ensure_directory(directory, 0o755)
    for standing in due:
        check_parents(standing.path)
    for standing in due:
        sweep_target(standing.path)
    with ExitStack() as stack:
        replaced = [(old, s.path) for s in due if (old := _opened(s, stack)) is not None]
        write_all([Artifact(s.path, octets_of(s.rendered), s.rendered.mode, s.owner) for s in due])
        for old, path in replaced:
            wake_readers(old, path)


def _opened(standing: FileStatus, stack: ExitStack) -> int | None:
    """Open the map that is about to be replaced."""
    old = open_regular(standing.path) if isinstance(standing.rendered, Map) else None
    if old is not None:
        stack.callback(os.close, old)
    return old


# What would change in the files of a mail program, line by line, without their secrets.

HIDDEN = "<not shown>"
"""Stands for a line that is not ours in a file with secrets: it may hold one, wherever that stands."""


@dataclass(frozen=True)
class Difference:
    """One file and how it would change; ``lines`` as of ``diff -u``, without line ends."""

    path: str
    status: Status
    lines: tuple[str, ...]


def differences(standings: list[FileStatus]) -> list[Difference]:
    """Return what differs, in mode or owner too."""
    return [Difference(s.path, s.status, tuple(_masked_lines(s))) for s in standings if s.is_due]


def _masked_lines(standing: FileStatus) -> Iterator[str]:
    content = wanted_text(standing.rendered)
    yield from unified_diff(
        _shown(standing.found or b"", content) if standing.status is not Status.MISSING else [],
        _decoded(masked(content)),
        "/dev/null" if standing.status is Status.MISSING else standing.path,
        f"{standing.path} ({standing.rendered.mode:04o} {standing.rendered.user}:{standing.rendered.group})",
        lineterm="",
    )
    yield from (f"{standing.path}: {fault}" for fault in standing.excess)


def _shown(found: bytes, wanted: Content) -> list[str]:
    if not is_secret(wanted):
        return _decoded(found)
    plain = tuple(_on_one_line(piece) for piece in wanted)
    for before, after in zip(wanted, plain, strict=True):
        if isinstance(before, Secret) and isinstance(after, bytes):
            found = found.replace(before.reveal(), after)
    ours = dict(zip(_split(with_secrets(plain)), _decoded(masked(plain)), strict=True))
    return [ours.get(line, HIDDEN) for line in _split(found)]


def _on_one_line(piece: bytes | Secret) -> bytes | Secret:
    """Return what stands for a piece whose lines are to be compared; a key has many."""
    return masked((piece,)) if isinstance(piece, Secret) and b"\n" in piece.reveal() else piece


def _split(content: bytes) -> list[bytes]:
    """Split at line feeds only: a secret may hold other characters that end a line of text."""
    return content.removesuffix(b"\n").split(b"\n") if content else []


def _decoded(content: bytes) -> list[str]:
    return [line.decode(errors="backslashreplace") for line in _split(content)]
