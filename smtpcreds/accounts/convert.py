"""A database in another format, compared record by record.

Distributions moved between them: Fedora and RHEL from Berkeley DB to GDBM, upstream Cyrus SASL to LMDB.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import DamagedFileError, ExistsError, InexpressibleError, MissingInputError, UsageError
from ..model import Plan, Step
from ..sasldb.detect import Format
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import by_account, strays
from ..sasldb.whole import create, fits

Records = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written where.

    Attributes:
        source: path of the database that was read.
        source_format: its format.
        target: path of the one that was written.
        target_format: its format.
        records: how many it holds, each compared after writing.
        accounts: how many of the source's; all of them are in the target.
        carried: keys that are no account's and were written all the same.
        refused: keys that are no account's and that the new format can't hold.
    """

    source: str
    source_format: Format
    target: str
    target_format: Format
    records: int
    accounts: int
    carried: tuple[bytes, ...]
    refused: tuple[bytes, ...]


def plan_convert(
    source: str, target: str, kind: Format, warn: Callable[[str], None], *, force: bool = False
) -> Plan[Conversion]:
    """Plan a database in another format; the old one stays.

    A new file gets owner, mode and ACL of the old one. An existing database keeps its own, and is changed in
    place where libsasl2 keeps it open (LMDB).

    Args:
        source: the database to read.
        target: the file to write.
        kind: its format.
        warn: takes a line of what the administrator should know.
        force: replace all records of an existing database of this format.

    Raises:
        MissingInputError: there is no source.
        ExistsError: the target exists, and ``force`` is not given or it has another format.
        UsageError: both are one file.
        InexpressibleError: the new format can't hold an account's key.
    """
    found = format_at(source)
    if found is None:
        raise MissingInputError(source, "does not exist", "name another one: --database FILE")
    exists = _refuse_target(source, target, kind, force=force)
    step = _step(target, source, kind, exists=exists, count=len(_fitting(open_store(source).load(), kind)))

    def apply() -> Conversion:
        store = open_store(source)
        seen, records = store.signature(), store.load()
        wanted = _fitting(records, kind)
        if exists:
            open_store(target, new=kind).apply(lambda old: {**dict.fromkeys(old), **wanted})
        else:
            create(target, kind, wanted, like=source)
        _compare(target, wanted)
        if store.signature() != seen:
            warn(f"{source} was changed meanwhile; convert it again")
        if kind is Format.GDBM and not all(map(bytes.isascii, wanted)):
            warn(_NOT_ASCII)
        return _conversion(source, found, target, kind, records)

    return Plan((step,), apply)


_NOT_ASCII = (
    "names that are not ASCII are found by GDBM only on machines like this one: "
    "x86 hashes them differently from ARM and POWER"
)


def _step(target: str, source: str, kind: Format, *, exists: bool, count: int) -> Step:
    mode = None if exists else os.stat(source).st_mode & 0o7777
    return Step("replace" if exists else "write", target, mode, f"{count} records of {source} as {kind}")


def _refuse_target(source: str, target: str, kind: Format, *, force: bool) -> bool:
    """Tell whether the target exists and may be written."""
    if os.path.realpath(source) == os.path.realpath(target):
        raise UsageError(
            target, "is the database itself", "name a new file, and move it into place afterwards"
        )
    there = format_at(target)
    if there is None:
        return False
    if not force:
        raise ExistsError(target, "exists and was left alone", "name another file, or pass --force")
    if there is not kind:
        reason = f"has format {there}; --force replaces only a database of format {kind}"
        raise ExistsError(target, reason, "remove it, or name another file")
    return True


def _fitting(records: Records, kind: Format) -> dict[bytes, bytes]:
    """Return the records that the format can hold: all of every account."""
    lost = {key for key in records if not fits(kind, key)}
    for key in sorted(lost):
        if key.count(b"\0") == 2:
            name = key.rpartition(b"\0")[0].replace(b"\0", b"@").decode(errors="replace")
            raise InexpressibleError(
                name, f"has a key of {len(key)} octets, too long for {kind}; nothing was written"
            )
    return {key: value for key, value in records.items() if key not in lost}


def _compare(target: str, wanted: Records) -> None:
    written = open_store(target).load()
    if written != wanted:
        count = sum(written.get(key) != wanted.get(key) for key in {*written, *wanted})
        raise DamagedFileError(target, f"reads back with {count} other records than were written")


def _conversion(source: str, found: Format, target: str, kind: Format, records: Records) -> Conversion:
    foreign = strays(records)
    carried = tuple(key for key in foreign if fits(kind, key))
    refused = tuple(key for key in foreign if not fits(kind, key))
    count = len(records) - len(refused)
    return Conversion(source, found, target, kind, count, len(by_account(records)), carried, refused)
