"""The authority as one archive: its directory, the inventory of one moment, certificates, configuration.

Members are named by what they are, not by where they lie, so none can lead elsewhere: ``configuration``,
``state/...`` below the state directory, ``certificates/...`` in the certificate directory. The archive is tar
of the form of :mod:`.archive`, so tar and age read it where there is no smtpcreds.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime

from ..ca.layout import CERTIFICATE, KEY, PARENTS, ROOT_KEY
from ..config import Settings, Site, parse_settings
from ..errors import (
    DamagedFileError,
    DataError,
    ExistsError,
    ForeignFormatError,
    SmtpcredsError,
    UnsafePathError,
    UsageError,
    WriteError,
)
from ..files import (
    PreviewDisk,
    audit_to_syslog,
    check_directory,
    check_parents,
    ensure_directory,
    exclusive,
    exists,
    is_directory,
    is_file,
    link_target,
    names_in,
    read_private,
    read_public,
    replace_directory,
    sweep,
    sweep_target,
    using,
    write_directory,
)
from ..files.aside import aside_name, put_back, settle_aside
from ..files.guard import quoted_path
from ..files.kernel import is_mount_point
from ..inventory.chain import Head
from ..inventory.inventory import read_snapshot
from ..lazy import dataclass, pattern
from ..model import Artifact, Link
from ..pki.describe import fingerprint
from ..pki.encoding import parse_certificates
from ..pki.keys import decode_key, is_encrypted, remote_uri
from ..pki.names import title
from ..pki.pair_rules import certificate_of
from ..pki.values import Certificate
from ..transaction import Transaction
from .archive import Kind, Member, comment_of, members_of, tar_of
from .make import Delivery
from .obeyed import Recorded, by_configuration, by_inventory, is_within, recorded_in, verify_library

CONFIGURATION = "configuration"
STATE = "state"
CERTIFICATES = "certificates"
INVENTORY = f"{STATE}/inventory.sqlite3"
_CA = f"{STATE}/ca"
MAX_BACKUP = 2 << 30
"""Octets of an archive: an inventory of two million certificates. It is held in memory, thrice."""
_MOST = 100_000
_FORMAT = 1
_LABEL = pattern(rb"\d+ comment=smtpcreds backup (\d+) host=(\S+) at=([0-9T:-]+Z) sha256=([0-9a-f]{64})\n\0*")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_NAME = r"[^/\0.][^/\0]*"
_PLACES = pattern(rf"{CONFIGURATION}|{CERTIFICATES}/{_NAME}|{STATE}(/{_NAME}){{1,4}}")
_LONGEST_NAME = 255
"""Octets, of every file system that Linux writes (NAME_MAX, limits.h)."""
_LEFT_OUT = pattern(r"lock|inventory\.sqlite3.*|\..*")
"""Names in the state directory: the inventory comes from the open database, the rest belongs to a run."""


@dataclass(frozen=True)
class Backup:
    """What an archive holds, as far as it was looked at.

    Attributes:
        host: that it was made on.
        at: when.
        name: of the authority.
        key: the URI of its key in a token; empty where the archive has the key.
        is_encrypted: the key needs its passphrase still.
        members: how many there are.
        certificates: how many the inventory has; None where a database server has the inventory.
        head: of the chain of its events; None likewise.
    """

    host: str
    at: datetime
    name: str
    key: str
    is_encrypted: bool
    members: int
    certificates: int | None
    head: Head | None


@dataclass(frozen=True)
class OpenedBackup:
    """An archive that was verified.

    Attributes:
        subject: its name, for messages.
        site: the installation as the archive's configuration describes it.
        backup: what is in it.
        files: contents by the names of members.
        links: targets of symbolic links, likewise.
        recorded: what its inventory names; None where a database server has the inventory.
    """

    subject: str
    site: Site
    backup: Backup
    files: Mapping[str, bytes] = field(repr=False)
    links: Mapping[str, str]
    recorded: Recorded | None


@dataclass(frozen=True)
class Restored:
    """What was put back.

    Attributes:
        kept: files of the certificate directory that were there, and were left as they are.
        aside: where the state directory went that was in the way; empty where there was none.
    """

    kept: tuple[str, ...]
    aside: str


# From the disk to an archive.


def back_up(work: Transaction, delivery: Delivery) -> Backup:
    """Make an archive of one moment, deliver it, and record that; other runs wait for the lock."""
    site = work.site
    if delivery.path and is_within(delivery.path, (site.state, site.certificates)):
        reason = "lies in what is saved: it would be lost with it, and be in each backup after it"
        raise UsageError(delivery.path, reason, "name a FILE elsewhere")
    delivery.tidy()
    work.require_inventory()
    certificate = work.ca.certificate
    delivery.prepare(work)
    members = tuple(_members(work))
    files, _ = _verified(members, "the backup")
    host = site.qualify(site.own_name)
    data = tar_of(f"smtpcreds backup {_FORMAT} host={host} at={work.now:{_TIME}}", members, work.now)
    found, _ = _examined(files, host, work.now, len(members), "the backup")
    delivery.deliver(work, data, f"{len(members)} members, of {title(certificate)}")
    work.record("ca backup", title(certificate), f"to {delivery.path or 'standard output'}")
    return found


def _members(work: Transaction) -> Iterator[Member]:
    site = work.site
    if exists(site.settings_path):
        yield Member(CONFIGURATION, 0o644, read_public(site.settings_path))
    for path in _below(site.state):
        yield Member(f"{STATE}/{path}", 0o600, read_private(f"{site.state}/{path}", MAX_BACKUP))
    if (snapshot := work.inventory.snapshot()) is None:
        work.warn(f"{site.inventory}: is not in the backup; its server's own tools save it: pg_dump")
    else:
        yield Member(INVENTORY, 0o600, snapshot)
    if is_directory(site.certificates):
        yield from _certificates(work, site.certificates)


def _below(directory: str, inner: str = "") -> Iterator[str]:
    for name in names_in(f"{directory}/{inner}".rstrip("/")):
        path = f"{inner}/{name}" if inner else name
        if _LEFT_OUT.fullmatch(name):
            continue
        if is_directory(f"{directory}/{path}") and link_target(f"{directory}/{path}") is None:
            yield from _below(directory, path)
        else:
            yield path


def _certificates(work: Transaction, directory: str) -> Iterator[Member]:
    check_directory(directory)
    for name in names_in(directory):
        path = f"{directory}/{name}"
        target = link_target(path)
        is_kept = is_file(path) if target is None else _is_beside(target) and not is_directory(path)
        if not is_kept:
            work.warn(f"{path}: is not in the backup: it is no file, or a link to elsewhere")
        elif not name.isprintable():
            work.warn(f"{path}: is not in the backup: its name is no plain text")
        elif name.startswith("."):
            continue
        elif target is not None:
            yield Member(f"{CERTIFICATES}/{name}", 0o777, kind=Kind.LINK, target=target)
        else:
            yield Member(f"{CERTIFICATES}/{name}", 0o600, read_public(path))


# From an archive to what it holds: everything is verified before anything is written.


def open_backup(site: Site, data: bytes, subject: str) -> OpenedBackup:
    """Read and verify an archive.

    Args:
        site: where it may be restored.
        data: the archive, decrypted.
        subject: its name, for messages.
    """
    head = _LABEL.fullmatch(comment_of(data))
    if not head:
        raise ForeignFormatError(
            subject, "is not a backup of smtpcreds", "make one: smtpcreds ca backup FILE"
        )
    version, host, at, digest = (group.decode(errors="replace") for group in head.groups())
    if version != str(_FORMAT):
        raise ForeignFormatError(subject, f"is a backup of form {version}; this smtpcreds knows {_FORMAT}")
    members = members_of(data, digest, subject, _MOST, MAX_BACKUP)
    files, links = _verified(members, subject)
    made = _moment(at, subject)
    found, recorded = _examined(files, host, made, len(members), subject)
    described = replace(site, settings=_settings(files, subject))
    for path in (path for path in files if path.rpartition("/")[2] in {KEY, ROOT_KEY}):
        if uri := remote_uri(files[path], f"{subject}: {path}"):
            verify_library(uri, described, f"{subject}: {path}")
    return OpenedBackup(subject, described, found, files, links, recorded)


def _moment(at: str, subject: str) -> datetime:
    try:
        return datetime.strptime(at, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise DamagedFileError(subject, f"was made at {at}, which is no time") from None


def _verified(members: Iterable[Member], subject: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files and links by name, after every rule that a single member can break."""
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for member in members:
        shown = ascii(member.path[:100])[1:-1]
        is_link = member.kind is Kind.LINK and member.path.startswith(f"{CERTIFICATES}/")
        is_safe = _is_place(member.path) and (not is_link or _is_beside(member.target))
        if not is_safe or not (is_link or member.kind is Kind.FILE):
            raise DataError(subject, f"{shown} is in it, which no backup has")
        if member.path in files or member.path in links:
            raise DataError(subject, f"{shown} is in it twice")
        if is_link:
            links[member.path] = member.target
        else:
            files[member.path] = member.content
    for path in files:
        if (above := path.rpartition("/")[0]) in files or above.rpartition("/")[0] in files:
            raise DataError(subject, f"{ascii(path[:100])[1:-1]} is in it below a file")
    return files, links


def _is_place(path: str) -> bool:
    """Tell whether a member has a name that a backup gives; SQLite would obey a log beside its file."""
    names = path.split("/")
    is_left_out = names[0] == STATE and any(_LEFT_OUT.fullmatch(name) for name in names[1:])
    is_long = any(len(name.encode()) > _LONGEST_NAME for name in names)
    known = _PLACES.fullmatch(path) and path.isprintable() and not is_long
    return bool(known) and (path == INVENTORY or not is_left_out)


def _is_beside(target: str) -> bool:
    """Tell whether a link of the certificate directory leads to a file that a backup has from there."""
    return bool(re.fullmatch(_NAME, target)) and target.isprintable()


def _settings(files: Mapping[str, bytes], subject: str) -> Settings:
    if CONFIGURATION not in files:
        return Settings()
    return parse_settings(files[CONFIGURATION].decode(errors="replace"), f"{subject}: {CONFIGURATION}")


def _examined(
    files: Mapping[str, bytes], host: str, at: datetime, members: int, subject: str
) -> tuple[Backup, Recorded | None]:
    """Prove that the key fits the certificate, as far as it can be read, and that the inventory is whole."""
    certificate = _authority(files, subject)
    content = _of(files, f"{_CA}/{KEY}", subject)
    where = f"{subject}: {_CA}/{KEY}"
    uri, is_closed = remote_uri(content, where), is_encrypted(content)
    if not uri and not is_closed:
        certificate_of(decode_key(content, None, where), [certificate], where, CERTIFICATE)
    recorded, head = _inventory(files, certificate, subject)
    count = recorded and recorded.certificates
    return Backup(host, at, title(certificate), uri or "", is_closed, members, count, head), recorded


def _authority(files: Mapping[str, bytes], subject: str) -> Certificate:
    path = f"{_CA}/{CERTIFICATE}"
    certificate = parse_certificates(_of(files, path, subject), f"{subject}: {path}").certificates[0]
    if f"{_CA}/{PARENTS}" in files:
        parse_certificates(files[f"{_CA}/{PARENTS}"], f"{subject}: {_CA}/{PARENTS}")
    return certificate


def _inventory(
    files: Mapping[str, bytes], certificate: Certificate, subject: str
) -> tuple[Recorded | None, Head | None]:
    if INVENTORY not in files:
        return None, None
    with read_snapshot(files[INVENTORY], f"{subject}: {INVENTORY}") as inventory:
        inventory.verify_integrity()
        if fingerprint(certificate) not in {row.fingerprint for row in inventory.authorities()}:
            raise DataError(f"{subject}: {INVENTORY}", f"does not know {title(certificate)}")
        return recorded_in(inventory), inventory.chain().head


def _of(files: Mapping[str, bytes], path: str, subject: str) -> bytes:
    if path not in files:
        raise DamagedFileError(subject, f"lacks {path}")
    return files[path]


# From an archive back to the disk. The state directory comes last and appears whole, so that a run which was
# killed can be typed again; what is in the certificate directory stays: it tells what was published since.


def restore(work: Transaction, opened: OpenedBackup, *, force: bool) -> Restored:
    """Put an archive back in place.

    Args:
        work: of the site of the archive; a dry run takes no lock where there is none.
        opened: the archive.
        force: move a state directory aside, and replace a configuration.

    Raises:
        ExistsError: there is a state directory or another configuration already.
    """
    site = opened.site
    for path in (site.settings_path, site.state):
        sweep_target(path)
    sweep(site.certificates)
    if work.is_preview and not exists(site.lock):
        return _put_back(work, opened, force=force)
    if not exists(site.lock):
        _look(work, opened, force=force)
        ensure_directory(os.path.dirname(site.state), 0o755, tighten=False)
        put_back(site.state)
        ensure_directory(site.state)
    with exclusive(site.lock):
        settle_aside(site.state, work.now)
        return _put_back(work, opened, force=force)


def _look(work: Transaction, opened: OpenedBackup, *, force: bool) -> None:
    """Refuse without a trace, not even a lock, unless another run came meanwhile: that one is waited for."""
    site = opened.site
    was_taken = _is_taken(site.state)
    try:
        with using(PreviewDisk()):
            _put_back(work, opened, force=force)
    except SmtpcredsError:
        if was_taken == _is_taken(site.state) and not exists(site.lock):
            raise


def _is_taken(state: str) -> bool:
    """Tell whether a state directory has more than a lock."""
    return is_directory(state) and bool(set(names_in(state)) - {"lock"})


def _put_back(work: Transaction, opened: OpenedBackup, *, force: bool) -> Restored:
    site = opened.site
    _verify_places(site)
    config = _configuration(opened, force=force)
    _verify_recorded(opened, force=force)
    is_taken = _is_taken(site.state)
    if is_taken and not force:
        reason = "is there already; it may be newer than the backup"
        raise ExistsError(site.state, reason, "--force to move it aside, and put the backup in its place")
    certificates, kept = _certificates_of(opened)
    aside = aside_name(site.state, work.now) if is_taken else ""
    first, content = [*config, *certificates], _artifacts(opened.files, STATE)
    if exists(site.state) and not is_taken:
        replace_directory(site.state, content, first=first)
    else:
        ensure_directory(os.path.dirname(site.state), 0o755, tighten=False)
        write_directory(site.state, content, first=first, aside=aside)
    audit_to_syslog(
        site.warn, "ca restore", [(opened.backup.name, f"from {opened.subject} of {opened.backup.at}")]
    )
    return Restored(kept, aside)


def _verify_places(site: Site) -> None:
    for path in (site.settings_path, site.certificates, site.state):
        check_parents(_nearest(path))
    if exists(site.state) and not is_directory(site.state):
        raise UnsafePathError(site.state, "is not a directory", "move it away")
    if is_mount_point(site.state):
        reason = "is a mount point, and a restored directory takes its place as a whole"
        above = os.path.dirname(site.state)
        hint = f"restore where it is none: on the host of the container, or with {above} mounted"
        raise WriteError(site.state, reason, hint)


def _nearest(path: str) -> str:
    """Return the path, or what above it is in a directory that is there."""
    above = os.path.dirname(path)
    return path if is_directory(above) else _nearest(above)


def _configuration(opened: OpenedBackup, *, force: bool) -> list[Artifact]:
    """Return the configuration if it has to be written."""
    path, wanted = opened.site.settings_path, opened.files.get(CONFIGURATION)
    present = read_public(path) if exists(path) else None
    if present == wanted:
        return []
    if present is not None and not force:
        reason = "is there, and is not that of the backup"
        raise ExistsError(path, reason, "--force to replace it, or move it away")
    if not force and (told := "; ".join(by_configuration(opened.site))):
        reason = f"its configuration {told}"
        raise UnsafePathError(opened.subject, reason, "--force to obey it, if it is yours")
    if wanted is None:
        raise ExistsError(
            path, "is there, and the backup was made without a configuration", f"rm {quoted_path(path)}"
        )
    ensure_directory(path.rpartition("/")[0], 0o755, tighten=False)
    return [Artifact(path, wanted, 0o644)]


def _verify_recorded(opened: OpenedBackup, *, force: bool) -> None:
    if force or not opened.recorded:
        return
    certificate = _authority(opened.files, opened.subject)
    if told := tuple(by_inventory(opened.site, opened.recorded, certificate)):
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        reason = f"its inventory {'; '.join(told[:3])}{more}, where later runs would write"
        raise UnsafePathError(opened.subject, reason, "--force to obey it, if it is yours")


def _certificates_of(opened: OpenedBackup) -> tuple[list[Artifact | Link], tuple[str, ...]]:
    """Return the files and links that are not there, keys first, and the paths of those that differ."""
    directory = opened.site.certificates
    found = _artifacts(opened.files, CERTIFICATES)
    linked = [(name.partition("/")[2], target) for name, target in opened.links.items()]
    if not found and not linked:
        return [], ()
    ensure_directory(directory)
    by_path = [replace(one, path=f"{directory}/{one.path}") for one in sorted(found, key=_key_first)]
    new = [one for one in by_path if not exists(one.path)]
    links = [
        Link(f"{directory}/{name}", target) for name, target in linked if not exists(f"{directory}/{name}")
    ]
    there = [one for one in by_path if one not in new]
    return [*new, *links], tuple(one.path for one in there if read_public(one.path) != one.content)


def _key_first(one: Artifact) -> bool:
    return "-key.pem" not in one.path


def _artifacts(files: Mapping[str, bytes], top: str) -> list[Artifact]:
    return [
        Artifact(name.partition("/")[2], content)
        for name, content in files.items()
        if name.startswith(f"{top}/")
    ]
