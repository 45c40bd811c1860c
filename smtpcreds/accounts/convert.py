"""A database of another kind, compared record by record.

Distributions moved between the file formats: Fedora and RHEL from Berkeley DB to GDBM, upstream Cyrus SASL to
LMDB. Who grows from one hub to several moves to PostgreSQL.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from ..errors import (
    DamagedFileError,
    ExistsError,
    InexpressibleError,
    MissingInputError,
    UsageError,
    number_of,
)
from ..files import audit_to_syslog
from ..lazy import dataclass
from ..postgres import is_url
from ..progress import counted
from ..sasldb.detect import Format
from ..sasldb.limits import SQL, rule_of
from ..sasldb.opening import create, format_at, open_store
from ..sasldb.records import by_account, orphans
from ..sasldb.replace import NewFile, resolve_to_write, tidy

Records = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Conversion:
    """What was written where.

    Attributes:
        source: path or URL of the database that was read.
        source_format: its format; ``postgresql`` for a URL.
        target: path or URL of the one that was written.
        target_format: its format.
        records: how many it holds, each compared after writing.
        accounts: how many of the source's; all of them are in the target.
        carried: keys that are no account's and were written all the same.
        refused: keys that are no account's and that the target can't hold.
    """

    source: str
    source_format: str
    target: str
    target_format: str
    records: int
    accounts: int
    carried: tuple[bytes, ...]
    refused: tuple[bytes, ...]


@dataclass(frozen=True)
class ConversionRequest:
    """What is to become what.

    Attributes:
        source: path or URL of the database to read.
        target: path or URL of the one to write.
        kind: the target's format; ``postgresql`` for a URL, see :func:`kind_of_target`.
        origin: mode and owner of a new file that comes from a URL; another file's are taken over.
        force: replace all records of an existing database of this kind.
    """

    source: str
    target: str
    kind: str
    origin: NewFile
    force: bool = False


def kind_of_target(target: str, wanted: str | None) -> str:
    """Return the kind of a database to be written: a format for a path, ``postgresql`` for a URL."""
    if is_url(target):
        open_store(target)
        if wanted not in (None, SQL):
            raise UsageError("--to", f"says {wanted}, and the target is PostgreSQL", "leave --to out")
        return SQL
    if wanted is None:
        raise UsageError("--to", "is missing", f"name the format of the new file: {', '.join(Format)}")
    if wanted == SQL:
        raise UsageError(target, "is not a URL", "write postgresql://HOST/DATABASE")
    return wanted


def convert(
    wish: ConversionRequest,
    warn: Callable[[str], None],
    refuse: Callable[[Sequence[InexpressibleError]], None],
) -> Conversion:
    """Write a database of another kind; the old one stays.

    A new file gets owner, mode and ACL of the old one. An existing database keeps its own, and is changed in
    place where libsasl2 keeps it open (LMDB). PostgreSQL is changed in one transaction.

    Args:
        wish: what is to be done.
        warn: takes a line of what the administrator should know.
        refuse: gets the records of accounts that the target can't hold, and raises.
    """
    found = _kind_of_source(wish.source)
    if not is_url(wish.target):
        tidy(wish.target)
    exists = _refuse_target(wish)
    store = open_store(wish.source)
    seen, records = store.signature(), dict(store.load().items())
    wanted, misfits = _sifted(records, wish.kind)
    if misfits:
        refuse(misfits)
    _write(wish, wanted, exists=exists)
    _compare(wish.target, wanted)
    audit_to_syslog(
        warn, "sasl convert", [(wish.target, f"{number_of(len(wanted), 'record')} of {wish.source}")]
    )
    if store.signature() != seen:
        warn(f"{wish.source} was changed during the conversion; convert it again")
    if wish.kind == Format.GDBM and not all(map(bytes.isascii, wanted)):
        warn(_NOT_ASCII)
    return _conversion(wish, found, records, wanted)


_NOT_ASCII = (
    "names that are not ASCII are found by GDBM only on machines like this one: "
    "x86 hashes them differently from ARM and POWER"
)


def _kind_of_source(source: str) -> str:
    if is_url(source):
        return SQL
    found = format_at(source)
    if found is None:
        raise MissingInputError(source, "does not exist", "name another one: --database FILE")
    return found


def _refuse_target(wish: ConversionRequest) -> bool:
    """Tell whether there is something in the target, which may be replaced."""
    if _is_same(wish.source, wish.target):
        raise UsageError(wish.target, "is the database itself", "name a new one, and put it in place later")
    if is_url(wish.target):
        held = _records_at(wish.target)
        _refuse_full(wish, held)
        return bool(held)
    resolve_to_write(wish.target)
    there = format_at(wish.target)
    if there is None:
        return False
    if not wish.force:
        raise ExistsError(wish.target, "exists and was not changed", "name another file, or pass --force")
    if there != wish.kind:
        reason = f"has format {there}; --force replaces only a database of format {wish.kind}"
        raise ExistsError(wish.target, reason, "remove it, or name another file")
    return True


def _is_same(source: str, target: str) -> bool:
    """Tell whether both are one; of a database with two URLs that is not seen."""
    if is_url(source) or is_url(target):
        return source == target
    return os.path.realpath(source) == os.path.realpath(target)


def _refuse_full(wish: ConversionRequest, held: Records) -> None:
    if held and not wish.force:
        reason = f"holds {number_of(len(held), 'record')} already, which were not changed"
        raise ExistsError(wish.target, reason, "name another database, or pass --force to replace them all")


def _write(wish: ConversionRequest, wanted: Records, *, exists: bool) -> None:
    def replaced(old: Records) -> dict[bytes, bytes | None]:
        _refuse_full(wish, old)
        return {**dict.fromkeys(old), **wanted}

    if is_url(wish.target):
        open_store(wish.target).apply(replaced)
    elif exists:
        open_store(wish.target, new=Format(wish.kind)).apply(replaced)
    else:
        like = wish.origin if is_url(wish.source) else wish.source
        create(wish.target, Format(wish.kind), wanted, like)


def _records_at(place: str) -> Records:
    """Return all records; a table that was never made has none."""
    try:
        return open_store(place).load()
    except MissingInputError:
        return {}


def _sifted(records: Records, kind: str) -> tuple[dict[bytes, bytes], list[InexpressibleError]]:
    """Return the records that the target can hold, and what is wrong with others of accounts, by key."""
    fault_of = rule_of(kind)
    each = counted(records.items(), len(records))
    faults = {key: fault for key, value in each if (fault := fault_of(key, value))}
    fitting = {key: value for key, value in records.items() if key not in faults}
    return fitting, [faults[key] for key in sorted(faults) if key.count(b"\0") == 2]


def _compare(target: str, wanted: Records) -> None:
    written = _records_at(target)
    if written != wanted:
        count = sum(written.get(key) != wanted.get(key) for key in {*written, *wanted})
        reason = f"reads back with {count} other records than were written"
        raise DamagedFileError(target, reason, "unless another program changed it meanwhile, convert again")


def _conversion(wish: ConversionRequest, found: str, records: Records, wanted: Records) -> Conversion:
    foreign = orphans(records)
    carried = tuple(key for key in foreign if key in wanted)
    refused = tuple(key for key in foreign if key not in wanted)
    accounts = len(by_account(records))
    return Conversion(wish.source, found, wish.target, wish.kind, len(wanted), accounts, carried, refused)
