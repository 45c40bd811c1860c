"""The inventory: where it is, and its tables in a database of whatever kind."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from typing import TypeVar

from ..errors import DataError, MissingInputError, NameRefusedError
from ..files import PreviewDisk, disk
from ..lazy import dataclass, pattern
from ..names import parse_host
from ..postgres import is_url, parse_url
from . import schema as sql
from .chain import GENESIS, Chain, chained, read_chain
from .pulls import Pulls
from .rotations import Rotations
from .rows import (
    AuthorityRow,
    AuthorityState,
    CertificateRow,
    CrlRow,
    Event,
    Intent,
    Revoked,
    Signed,
    State,
    adopted_values,
    authority_of,
    certificate_of,
    crl_of,
    crl_values,
    der_of,
    event_of,
    intent_values,
    number_of,
    revoked_of,
    seconds,
    standing_of,
    tally_of,
    text_of,
)
from .sqlite import Database, Row, Values

# What a person may mean by a word: a host, a serial number, a fingerprint, or the beginning of one.

MIN_PREFIX = 4
"""Hex digits from which on a word is tried as a prefix."""
_HEX = pattern(r"[0-9a-f]+")
_AFTER_EXACT = "!"
"""Sorts before every hex digit, so nothing but the word itself lies below word + this."""
_AFTER_ALL = "\x7f"
"""Follows all characters of host names."""
_AFTER_PREFIX = "g"
_AT_ONCE = 500
"""Values of one question; SQLite before 3.32 takes 999."""


@dataclass(frozen=True)
class Wanted:
    """A host name, and the half-open range ``low <= text < high`` of serial numbers and fingerprints."""

    host: str
    low: str
    high: str

    def is_exactly(self, row: CertificateRow) -> bool:
        """Tell whether the word is the whole host name, serial number or fingerprint of this one."""
        return row.host == self.host or (self.low != "" and self.low in (row.serial, row.fingerprint))


def wanted(which: str) -> Wanted:
    """Read a word; the range is empty where it is no hex number."""
    word = which.strip().lower()
    digits = word.replace(":", "")
    if not _HEX.fullmatch(digits):
        return Wanted(_host(word), "", "")
    return Wanted(
        _host(word), digits, digits + (_AFTER_PREFIX if len(digits) >= MIN_PREFIX else _AFTER_EXACT)
    )


def _host(word: str) -> str:
    try:
        return parse_host(word, wildcard=True)
    except NameRefusedError:  # imported certificates may stand under any name
        return word


# The inventory in the tables of a database, of whatever kind.

T = TypeVar("T")


class _ShortError(Exception):
    """A statement changed fewer rows than it was run for."""


class Inventory:
    """Facts about certificates, CRLs and deeds; each method is one durable transaction.

    A certificate is named by its authority and its serial number, because imported authorities count
    from one. Intention comes before the deed and outcome after it: ``intend``, then sign, ``signed``,
    then install, ``issued``. What a killed run left is in ``pending``.

    Every method may raise LockHeldError, WriteError (nothing was changed) and DamagedFileError. Iterators
    read while they are consumed: consume them before writing through the same inventory.

    Args:
        database: with our tables.
        machine: which of the hosts that share the database this is; empty where nobody shares it.
        common: beginning of the recorded places whose pairs belong to all of them; empty for none.
    """

    def __init__(self, database: Database, machine: str = "", common: str = "") -> None:
        self._database = database
        self._machine = machine
        self._common = common
        self.rotations = Rotations(database)
        """Replacements of accounts."""
        self.pulls = Pulls(database)
        """Client hosts that fetch their bundles."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep every other host that shares the inventory from working with it; readers go on.

        The lock goes with the connection. It is no lock between processes of one host: those have a file.
        """
        return self._database.alone()

    def transaction(self) -> AbstractContextManager[None]:
        """Make everything inside one transaction and one fsync; an exception undoes all of it.

        A transaction inside another is undone alone when the exception is caught in between.
        """
        return self._database.transaction()

    def add_authority(
        self,
        name: str,
        *,
        ski: str,
        der: bytes,
        created: datetime,
        crl_number: int = 0,
        state: AuthorityState = AuthorityState.CURRENT,
    ) -> AuthorityRow:
        """Record a CA; ``crl_number`` is the last one that an imported CA has used."""
        from hashlib import sha256

        fingerprint = sha256(der).hexdigest()
        with self.transaction():
            values = (name, ski, fingerprint, state.value, seconds(created), crl_number, der)
            self._database.write(sql.ADD_AUTHORITY, values)
            return next(self._database.read(authority_of, sql.AUTHORITY_BY_FINGERPRINT, (fingerprint,)))

    def authorities(self) -> list[AuthorityRow]:
        """Return all authorities by state, current ones first, and in each state the newest first."""
        return list(self._database.read(authority_of, sql.ALL_AUTHORITIES))

    def retire_authority(self, authority: int) -> None:
        """Mark an authority as one that signs no more certificates."""
        with self.transaction():
            if not self._database.write(sql.RETIRE_AUTHORITY, (authority,)):
                raise _no_authority(authority)

    def intend(self, intents: Iterable[Intent]) -> None:
        """Record certificates as pending, all or none, before any of them is signed."""
        with self.transaction():
            values = (intent_values(intent, self._owner(intent.directory)) for intent in intents)
            self._database.write_all(sql.INTEND, values)

    def signed(self, authority: int, certificates: Iterable[Signed]) -> None:
        """Record what was signed, all or none; the certificates stay pending."""
        from hashlib import sha256

        rows = [((c.key_id, sha256(c.der).hexdigest(), c.der), c.serial) for c in certificates]
        self._advance_all(sql.SIGN, authority, rows)

    def issued(self, authority: int, serials: Iterable[str]) -> None:
        """Record that signed certificates are in place, all or none."""
        self._advance_all(sql.ISSUE, authority, [((), serial) for serial in serials])

    def place(self, authority: int, serial: str, directory: str) -> None:
        """Record that a certificate which exists is about to be installed; it is pending until ``issued``.

        Args:
            authority: who signed it.
            serial: its number.
            directory: where its pair will be, see :attr:`.rows.CertificateRow.directory`.

        Raises:
            MissingInputError: the serial number is unknown.
        """
        with self.transaction():
            self._advance(sql.PLACE, (directory, self._owner(directory)), authority, serial)

    def _owner(self, directory: str) -> str:
        is_common = self._common and directory.startswith(self._common)
        return "" if is_common else self._machine

    def discard(self, authority: int, serial: str, why: str) -> None:
        """Give a pending certificate up."""
        with self.transaction():
            self._advance(sql.DISCARD, (why,), authority, serial)

    def forget(self, host: str, why: str) -> None:
        """Give up every certificate of a host that is issued, also of other CAs and expired ones."""
        with self.transaction():
            self._database.write(sql.FORGET, (why, host))

    def pending(self) -> list[CertificateRow]:
        """Return what was begun and not finished, the oldest first."""
        return list(self._database.read(certificate_of, sql.PENDING))

    def adopt(self, certificates: Iterable[tuple[CertificateRow, bytes | None]]) -> int:
        """Record certificates that came into being elsewhere, with the DER where it is known.

        Serial numbers that are recorded already stay as they are. Fingerprints are computed from the DER.

        Returns:
            The number of new ones.
        """
        with self.transaction():
            return self._database.write_all(sql.ADOPT, (adopted_values(*pair) for pair in certificates))

    def revoke(self, authority: int, serial: str, at: datetime, reason: str) -> None:
        """Revoke a certificate that exists: issued, or signed before it was given up."""
        with self.transaction():
            self._advance(sql.REVOKE, (seconds(at), reason), authority, serial)

    def find(self, which: str) -> list[CertificateRow]:
        """Return what the words of a person may mean: a host, a serial number, a fingerprint, or a prefix.

        Prefixes have four hex digits or more; colons and case do not matter. A complete host name, serial
        number or fingerprint outranks prefixes. Issued ones come first, among them the newest first.
        """
        asked = wanted(which)
        values = (asked.host, asked.low, asked.high, asked.low, asked.high)
        query = sql.where(sql.SELECT_CERTIFICATE, [sql.MEANT], sql.ISSUED_FIRST, None)
        rows = list(self._database.read(certificate_of, query, values))
        return [row for row in rows if asked.is_exactly(row)] or rows

    def by_fingerprint(self, prints: Iterable[str]) -> dict[str, CertificateRow]:
        """Return the rows of certificates by their fingerprints; hundreds are asked for at once."""
        found: dict[str, CertificateRow] = {}
        left = iter(prints)
        while some := tuple(islice(left, _AT_ONCE)):
            among = f"fingerprint IN ({', '.join('?' * len(some))})"
            query = sql.where(sql.SELECT_CERTIFICATE, [among], sql.ISSUED_FIRST, None)
            for row in self._database.read(certificate_of, query, some):
                found.setdefault(row.fingerprint or "", row)
        return found

    def current(self, host: str, at: datetime, directory: str | None = None) -> CertificateRow | None:
        """Return the newest certificate of the host that is issued and not expired at this time.

        Args:
            host: in A-labels.
            at: now.
            directory: only what was installed there.
        """
        conditions, values = list(sql.CURRENT), [host, seconds(at)]
        if directory is not None:
            conditions.append("directory = ?")
            values.append(directory)
        query = sql.where(sql.SELECT_CERTIFICATE, conditions, sql.LATEST_FIRST, 1)
        return self._database.first(certificate_of, query, (*values, 1))

    def listing(
        self,
        *,
        expires_after: datetime | None = None,
        expires_before: datetime | None = None,
        host: str | None = None,
        state: State | None = None,
        directory: str | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> Iterator[CertificateRow]:
        """Yield certificates by time of expiry, the next one first.

        Args:
            expires_after: only those that expire after this time.
            expires_before: only those that expire at this time or before.
            host: in A-labels.
            state: only those in this state.
            directory: only those of pairs in this place; empty for those whose hosts keep their keys.
            latest: only issued ones that no newer one of the same host, machine and directory replaces.
            limit: at most so many.
        """
        bound = {
            "not_after > ?": expires_after and seconds(expires_after),
            "not_after <= ?": expires_before and seconds(expires_before),
            "host = ?": host,
            "directory = ?": directory,
        }
        literal = [sql.IN_STATE[state]] if state else []
        literal += [sql.LATEST] if latest else []
        return self._select(certificate_of, sql.SELECT_CERTIFICATE, literal, bound, sql.BY_EXPIRY, limit)

    def hosts(self, prefix: str, limit: int) -> list[str]:
        """Return the first hosts whose names begin so, which have or had a certificate."""
        return list(self._database.read(text_of, sql.HOSTS, (prefix, prefix + _AFTER_ALL, limit)))

    def tally(self, authority: int, at: datetime) -> dict[str, int]:
        """Return how many certificates of the authority stand where: by name of the state, or ``expired``.

        Issued ones that expired at this time or before are counted apart; nothing stands for none.
        """
        return dict(self._database.read(tally_of, sql.TALLY, (seconds(at), authority)))

    def places(self, authority: int) -> list[str]:
        """Return the directories that the authority's certificates were, or were to be, installed in.

        Reads a row of an index for each of them: half a second among a million.
        """
        found = self._database.read(text_of, sql.PLACES, (authority, self._machine))
        return sorted(path.rstrip("/") or path for path in found)

    def der(self, authority: int, serial: str) -> bytes:
        """Return the certificate itself.

        Raises:
            MissingInputError: the serial number is unknown, or its certificate was never seen.
        """
        found = self._database.first(der_of, sql.DER, (serial, authority))
        if found is None:
            raise MissingInputError(f"certificate {serial}", "the inventory does not hold it")
        return found

    def with_der(self) -> Iterator[tuple[CertificateRow, bytes]]:
        """Yield every certificate that was signed, with what was."""
        return self._database.read(
            lambda row: (certificate_of(row[:-1]), der_of(row[-1:])), sql.CERTIFICATES_AND_DER
        )

    def revoked(self, authority: int, expires_after: datetime | None = None) -> Iterator[Revoked]:
        """Yield the entries of the authority's CRL by serial number, from one point in time.

        Args:
            authority: whose certificates.
            expires_after: leave out those that expired at this time or before (RFC 5280 section 3.3: an
                entry has to stand in one CRL made after the certificate expired).
        """
        bound = {
            "authority = ?": authority,
            "not_after > ?": expires_after and seconds(expires_after),
        }
        return self._select(revoked_of, sql.SELECT_REVOKED, [sql.WHICH_REVOKED], bound, sql.BY_SERIAL)

    def next_crl_number(self, authority: int) -> int:
        """Take the authority's next CRL number; nobody gets it again, whether it is used or not."""
        with self.transaction():
            self._database.write(sql.TAKE_CRL_NUMBER, (authority,))
            return self.last_crl_number(authority)

    def use_crl_number(self, authority: int, number: int) -> None:
        """Count on from a CRL number that was used elsewhere, if it is higher than the last one here."""
        with self.transaction():
            self._database.write(sql.USE_CRL_NUMBER, (number, authority, number))

    def last_crl_number(self, authority: int) -> int:
        """Return the CRL number that was taken last; a CRL of that number may not exist yet."""
        number = self._database.first(number_of, sql.CRL_NUMBER, (authority,))
        if number is None:
            raise _no_authority(authority)
        return number

    def record_crl(self, crl: CrlRow, der: bytes | None = None) -> None:
        """Record a CRL that was signed; hosts that share the inventory find the newest one itself in it."""
        with self.transaction():
            self._database.write(sql.RECORD_CRL, (*crl_values(crl), der if self._machine else None))
            self._database.write(sql.FORGET_OLDER_CRLS, (crl.authority, crl.number))

    def crl_der(self, crl: CrlRow) -> bytes | None:
        """Return a recorded CRL; None where it is not the newest, or was recorded without it."""
        return self._database.first(der_of, sql.CRL_DER, (crl.authority, crl.number))

    def latest_crl(self, authority: int) -> CrlRow | None:
        """Return the recorded CRL with the highest number."""
        return self._database.first(crl_of, sql.LATEST_CRL, (authority,))

    def event(self, *events: Event) -> None:
        """Record deeds; events are never changed or deleted."""
        with self.transaction():
            before = self._database.first(text_of, sql.LAST_HASH) or GENESIS
            self._database.write_all(sql.EVENT, chained(before, events))

    def chain(self, noted: str = "") -> Chain:
        """Follow the chain of events from the first to the last; takes seconds where there are a million.

        Args:
            noted: a hash to look for, of an earlier :class:`.chain.Head`; empty for none.
        """
        return read_chain(self._database.read(tuple, sql.EVENT_CHAIN), noted)

    def events(
        self,
        *,
        subject: str | None = None,
        what: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Event]:
        """Yield events, the newest first."""
        bound = {"subject = ?": subject, "what = ?": what, "at >= ?": since and seconds(since)}
        return self._select(event_of, sql.SELECT_EVENT, [], bound, sql.NEWEST_FIRST, limit)

    def begun(self) -> datetime | None:
        """Return when the first event was recorded; what was before that is not known here."""
        first = self._select(event_of, sql.SELECT_EVENT, [], {}, sql.OLDEST_FIRST, 1)
        return next((event.at for event in first), None)

    def deliveries(self) -> Iterator[Event]:
        """Yield of each client host what it was given last and when it left last, and new secrets.

        The newest comes first.
        """
        return self._select(event_of, sql.SELECT_EVENT, [sql.DELIVERIES], {}, sql.NEWEST_FIRST)

    def deliveries_to(self, hosts: Iterable[str]) -> Iterator[Event]:
        """Yield the same of some hosts, without new secrets; of each host, the newest comes first."""
        left = iter(hosts)
        while some := tuple(islice(left, _AT_ONCE)):
            query = sql.where(sql.SELECT_EVENT, [sql.deliveries_to(len(some))], sql.NEWEST_FIRST, None)
            yield from self._database.read(event_of, query, some)

    def unexplained(self) -> Iterator[CertificateRow]:
        """Yield the certificates that stand otherwise than the events left them: somebody wrote past us."""
        yield from self._select(certificate_of, sql.SELECT_CERTIFICATE, [sql.UNEXPLAINED], {}, sql.BY_EXPIRY)

    def without_row(self) -> Iterator[Event]:
        """Yield the events of certificates of which there is no row any more, the oldest first."""
        yield from self._select(event_of, sql.SELECT_EVENT, [sql.WITHOUT_ROW], {}, sql.OLDEST_FIRST)

    def snapshot(self) -> bytes | None:
        """Return all that is committed as the content of an inventory's file; None where a server has it."""
        return self._database.snapshot()

    def copy_to(self, target: "Inventory") -> None:
        """Copy all of it into another inventory, which is empty, and compare every row; all or nothing.

        What stood for this host here stands for the target's there.

        Raises:
            ExistsError: the target is not empty.
            DamagedFileError: something reads back otherwise than it was written.
        """
        target.take(self._database, self._machine)

    def take(self, source: Database, machine: str) -> None:
        """Take all rows of an inventory of this machine; see :meth:`copy_to`."""
        from .copy import copy

        def owner(recorded: str, directory: str) -> str:
            return self._owner(directory) if recorded == machine else recorded

        with self.transaction():
            copy(source, self._database, owner)

    def verify_integrity(self) -> None:
        """Read everything; takes seconds where there are a million certificates.

        Raises:
            DamagedFileError: with the first contradiction.
        """
        self._database.verify()

    def _select(
        self,
        make: Callable[[Row], T],
        select: str,
        literal: list[str],
        bound: Mapping[str, object],
        order: str,
        limit: int | None = None,
    ) -> Iterator[T]:
        """Run a query with those of the bound conditions that have a value."""
        given = {condition: value for condition, value in bound.items() if value is not None}
        query = sql.where(select, [*literal, *given], order, limit)
        return self._database.read(make, query, (*given.values(), *([] if limit is None else [limit])))

    def _advance_all(self, statement: str, authority: int, rows: Sequence[tuple[Values, str]]) -> None:
        """Change all these certificates or none, as :meth:`_advance` does, three times as fast."""
        with self.transaction():
            if self._advanced(
                statement, ((*values, serial, authority) for values, serial in rows), len(rows)
            ):
                return
            for values, serial in rows:
                self._advance(statement, values, authority, serial)

    def _advanced(self, statement: str, rows: Iterator[Values], count: int) -> bool:
        """Run the statement for all rows; undo it and return False if it did not change as many."""
        try:
            with self.transaction():
                if self._database.write_all(statement, rows) != count:
                    raise _ShortError
        except _ShortError:
            return False
        return True

    def _advance(self, statement: str, values: Values, authority: int, serial: str) -> None:
        """Change the one certificate that the statement's condition admits, or say why it does not."""
        if self._database.write(statement, (*values, serial, authority)):
            return
        standing = self._database.first(standing_of, sql.STANDING, (serial, authority))
        subject = f"certificate {serial}"
        if standing is None:
            raise MissingInputError(subject, "is not in the inventory", "list them with: smtpcreds cert list")
        raise DataError(subject, f"is {standing} and can't change so")


def _no_authority(authority: int) -> MissingInputError:
    return MissingInputError(f"authority {authority}", "is not in the inventory", "see: smtpcreds ca show")


# From a path or URL to the inventory that is kept there.


@contextmanager
def read_snapshot(content: bytes, subject: str) -> Iterator[Inventory]:
    """Give the inventory that a :meth:`Inventory.snapshot` holds, a new one for none; no file is touched."""
    from .sqlite import in_memory

    with in_memory(content, subject) as database:
        yield Inventory(database)


@contextmanager
def open_inventory(
    place: str | os.PathLike[str],
    *,
    machine: str = "",
    common: str = "",
    read_only: bool = False,
    timeout: float = 30.0,
) -> Iterator[Inventory]:
    """Open the inventory at this place, and create or migrate it unless reading only.

    Args:
        place: path of an SQLite file, whose directory is made, 0700, where there is none; or a
            ``postgresql://`` URL.
        machine: which of the hosts that share a database this is.
        common: see :class:`Inventory`.
        read_only: change nothing, not even the version; works on a read-only file system.
        timeout: seconds to wait for other processes.
    """
    name = os.fspath(place)
    run = disk()
    if isinstance(run, PreviewDisk) and (not read_only or f"inventory {name}" in run.held):
        yield Inventory(_previewed(run, name, timeout), machine, common)
        return
    if is_url(name):
        from .postgres import postgres_database

        opened = postgres_database(parse_url(name), read_only=read_only, timeout=timeout)
    else:
        from .sqlite import sqlite_database

        opened = sqlite_database(os.path.abspath(name), read_only=read_only, timeout=timeout)
    with opened as database:
        yield Inventory(database, machine, common)
        database.note_changes()


def _previewed(run: PreviewDisk, name: str, timeout: float) -> Database:
    """Return what the whole preview works on: a copy in memory, or a transaction that is rolled back."""
    held = run.held.get(f"inventory {name}")
    if isinstance(held, Database):
        return held
    if is_url(name):
        from .postgres import postgres_preview

        database = run.closing.enter_context(postgres_preview(parse_url(name), timeout=timeout))
    else:
        from .sqlite import sqlite_preview

        database = run.closing.enter_context(sqlite_preview(os.path.abspath(name), timeout=timeout))
    run.held[f"inventory {name}"] = database
    run.closing.callback(database.note_changes)
    return database
