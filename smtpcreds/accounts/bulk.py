"""Many accounts at once: read from a file or a database, checked, taken in whole or not at all."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import chain
from typing import Any, NamedTuple

from ..errors import (
    DataError,
    ExistsError,
    NameRefusedError,
    PasswordRefusedError,
    SmtpcredsError,
    UnsafePathError,
    UsageError,
    suggestion,
)
from ..files import audit_to_syslog, explained, is_directory, is_file, read_private
from ..lazy import dataclass
from ..model import Account, parse_account
from ..passwords import chosen_fault, hash_kind, may_be_weak
from ..postgres import is_url
from ..progress import counted
from ..sasldb.limits import rule_of
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import USER_PASSWORD, pack, record
from ..secret import Secret
from ..shell import quote
from .auth_info import auth_info_for_clients, follow
from .columns import is_column_name, is_likely_name
from .database import AccountDatabase, Records
from .dump import rows_of
from .formats import KINDS, read_text
from .ordinary import AT_ONCE, is_ordinary_realm, parted
from .rows import Fault, Pairs, Row, Source
from .rules import check_chosen_secret, check_new_name, login_names, refuse_login_name, weakness_of
from .schemes import DIGEST, is_served
from .table import ANY, Layout

# Accounts of a file, each checked by itself and against the others, before any database is looked at.


@dataclass(frozen=True)
class Rules:
    """What is asked of every account.

    Attributes:
        realm: of names without one; None is the relay's own.
        check_logins: try each password against the host's logins, about 20 ms for each login, and ask
            NSS for each name.
        allow_login_names: accept names that the system knows.
        any_names: accept names and secrets that look like text of another kind.
        is_exact: the source is a database, or as good as one; its names are taken as they are.
        is_table: see :class:`.rows.Source`.
    """

    realm: str | None = None
    check_logins: bool = False
    allow_login_names: bool = False
    any_names: bool = False
    is_exact: bool = False
    is_table: bool = False


class Candidate(NamedTuple):
    """An account that passed.

    Attributes:
        where: its place in the file.
        account: its name and realm.
        records: its sorted keys and values as the database has them.
        weakness: why its secret is soon guessed; None where it is not, or has no clear text.
    """

    where: str
    account: Account
    records: tuple[tuple[bytes, bytes], ...]
    weakness: str | None

    def __repr__(self) -> str:
        return f"<{self.account}, {self.where}>"


class Block(NamedTuple):
    """Ordinary accounts that passed together: each has a clear password that is not weak, and nothing else.

    Attributes:
        places: in the file, of each.
        keys: of its record.
        secrets: its value.
        realms: of all of them.
    """

    places: Sequence[str]
    keys: list[bytes]
    secrets: list[bytes]
    realms: frozenset[str]

    def __repr__(self) -> str:
        return f"<{len(self.keys)} from {self.places[0]}>"

    def candidates(self) -> Iterator[Candidate]:
        """Give each alone."""
        return _alone(self.places, zip(self.keys, self.secrets, strict=True))


class Taken(NamedTuple):
    """A block that was taken; its records are beside it, in their order."""

    places: Sequence[str]
    realms: frozenset[str]


Parts = Sequence[Candidate | Taken]


def _alone(places: Iterable[str], pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[Candidate]:
    for where, pair in zip(places, pairs, strict=False):
        authcid, realm, _ = pair[0].decode().split("\0")
        yield Candidate(where, Account(authcid, realm), (pair,), None)


def _candidates(parts: Parts, records: Mapping[bytes, bytes]) -> Iterator[Candidate]:
    """Give each alone; the records are those of what was taken, in order."""
    rest = iter(records.items())
    for part in parts:
        if isinstance(part, Candidate):
            yield part
        else:
            yield from _alone(part.places, rest)


class Accepted:
    """The accounts that passed, in their order; ordinary ones in blocks, as there may be a million.

    Attributes:
        parts: those that stand alone, and blocks.
        records: of the blocks.
    """

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self._alone = {candidate.account: candidate for candidate in candidates}
        self._keys_alone: set[bytes] = set()
        self.parts: list[Candidate | Taken] = [*self._alone.values()]
        self.records: dict[bytes, bytes] = {}

    def __iter__(self) -> Iterator[Candidate]:
        return _candidates(self.parts, self.records)

    def __len__(self) -> int:
        return len(self.records) + len(self._alone)

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, Accepted) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def alone(self) -> Iterator[Candidate]:
        """Give those that are in no block."""
        return iter(self._alone.values())

    def realms(self) -> set[str]:
        """Return the realms of all."""
        blocks = (part.realms for part in self.parts if isinstance(part, Taken))
        return {account.realm for account in self._alone}.union(*blocks)

    def takes(self, block: Block) -> bool:
        """Take a block, unless an account of it comes twice."""
        new = dict(zip(block.keys, block.secrets, strict=True))
        is_new = self.records.keys().isdisjoint(new) and self._keys_alone.isdisjoint(new)
        if len(new) != len(block.keys) or not is_new:
            return False
        self.records.update(new)
        self.parts.append(Taken(block.places, block.realms))
        return True

    def first(self, candidate: Candidate) -> Candidate:
        """Take a candidate, or return the one that came first with its account."""
        key = pack(candidate.account, USER_PASSWORD)
        if key in self.records:
            self._dissolve()
        first = self._alone.setdefault(candidate.account, candidate)
        if first is candidate:
            self._keys_alone.add(key)
            self.parts.append(candidate)
        return first

    def _dissolve(self) -> None:
        """Look at each alone from now on."""
        self._keys_alone.update(self.records)
        self.parts = [*self]
        self._alone = {candidate.account: candidate for candidate in self}
        self.records = {}


@dataclass(frozen=True)
class Intake:
    """What a file gives: accounts that may come in, repetitions to the letter, and what is refused.

    Attributes:
        weak: of the accepted accounts, those with a secret that is soon guessed.
    """

    accepted: Accepted
    repeated: tuple[Fault, ...]
    refused: tuple[Fault, ...]
    weak: tuple[Fault, ...]


def take_in(
    accounts: AccountDatabase, rows: Iterable[Row | Fault | Pairs], rules: Rules, lines: int = 0
) -> Intake:
    """Check every row, of a table that has so many lines.

    An account that comes twice is refused the second time, unless both say the same.
    """
    accepted = Accepted()
    repeated: list[Fault] = []
    refused: list[Fault] = []
    found = _Check(accounts, rules).candidates(_shown(rows, rules, lines))
    for one in chain.from_iterable(_each(part, accepted) for part in found):
        if isinstance(one, Fault):
            refused.append(one)
        elif (first := accepted.first(one)) is not one:
            is_same = first.records == one.records
            fault = Fault(one.where, f"{one.account} came in {first.where} already")
            (repeated if is_same else refused).append(fault)
    weak = tuple(
        Fault(where, f"{account}: its secret {fault}")
        for where, account, _, fault in accepted.alone()
        if fault
    )
    return Intake(accepted, tuple(repeated), tuple(refused), weak)


def _each(found: Candidate | Fault | Block, accepted: Accepted) -> Iterable[Candidate | Fault]:
    """Return what has to be looked at alone: nothing of a block that is taken."""
    if isinstance(found, Block):
        return () if accepted.takes(found) else found.candidates()
    return (found,)


def _shown(rows: Iterable[Row | Fault | Pairs], rules: Rules, lines: int) -> Iterator[Row | Fault | Pairs]:
    """Give the rows, and show how many are done where that takes long; a table goes by in blocks."""
    if rules.is_table and not rules.check_logins:
        return counted(rows, lines, lambda part: len(part.places) if isinstance(part, Pairs) else 1)
    each = [*chain.from_iterable(part.rows() if isinstance(part, Pairs) else (part,) for part in rows)]
    return counted(_drained(each), len(each))


def _drained(rows: list[Row | Fault]) -> Iterator[Row | Fault]:
    """Give the rows and forget each; a million of them take half a gigabyte."""
    rows.reverse()
    while rows:
        yield rows.pop()


def _gathered(rows: Iterator[Row | Fault | Pairs]) -> Iterator[Pairs | list[Row | Fault]]:
    """Give single rows many at a time."""
    some: list[Row | Fault] = []
    for row in rows:
        if isinstance(row, Pairs) or len(some) == AT_ONCE:
            yield some
            some = []
        if isinstance(row, Pairs):
            yield row
        else:
            some.append(row)
    yield some


_FEW = 8
"""Rows that are not worth a block."""


class _Check:
    """The checks of one account."""

    def __init__(self, accounts: AccountDatabase, rules: Rules) -> None:
        self._accounts, self._root, self._rules = accounts, accounts.site.root, rules
        self._misfit_of = rule_of(accounts.kind())
        self._realm = rules.realm or accounts.site.realm
        self._logins = frozenset() if rules.allow_login_names else login_names(self._root)
        self._is_guessed = not (rules.any_names or rules.is_exact)
        self._asks = rules.check_logins and not rules.allow_login_names

    def candidates(self, rows: Iterator[Row | Fault | Pairs]) -> Iterator[Candidate | Fault | Block]:
        """Give the account of each row, or why it may not come in."""
        for part in _gathered(rows):
            for found in (part,) if isinstance(part, Pairs) else parted(part):
                if isinstance(found, Pairs):
                    yield from self._together(found)
                else:
                    yield found if isinstance(found, Fault) else self.candidate(found)

    def _together(self, found: Pairs) -> Iterator[Candidate | Fault | Block]:
        """Give a block, or where something speaks against one of its rows, each half for itself."""
        if block := self._ordinary(found):
            yield block
        elif len(found.places) > _FEW:
            for half in found.halves():
                yield from self._together(half)
        else:
            yield from map(self.candidate, found.rows())

    def _ordinary(self, pairs: Pairs) -> Block | None:
        """Return the accounts, if nothing speaks against a single one, else None.

        What :meth:`candidate` would ask of each is asked of all at once.
        """
        if self._rules.check_logins or not is_ordinary_realm(self._realm):
            return None
        own, names = self._accounts.site.realm, self._qualified(pairs)
        parts = names.replace("\n", "@").split("@")
        users, realms = parts[:-1:2], frozenset(parts[1::2])
        if any(realm != own and realm.lower() == own.lower() for realm in realms):
            return None
        secrets = pairs.secrets.encode().split(b"\n")[:-1]
        if not self._logins.isdisjoint(users) or may_be_weak(secrets, users, realms):
            return None
        records = names.replace("@", "\0").replace("\n", f"\0{USER_PASSWORD}\n")
        keys = records.encode().split(b"\n")[:-1]
        if self._misfit_of(max(keys, key=len), max(secrets, key=len)):
            return None
        return Block(pairs.places, keys, secrets, realms)

    def _qualified(self, pairs: Pairs) -> str:
        """Return the names, each with its realm."""
        names, given = pairs.names, pairs.names.count("@")
        if given == len(pairs.places):
            return names
        if not given:
            return names.replace("\n", f"@{self._realm}\n")
        return "".join(
            f"{name}\n" if "@" in name else f"{name}@{self._realm}\n" for name in names.split("\n")[:-1]
        )

    def candidate(self, row: Row) -> Candidate | Fault:
        """Return the account, or why it may not come in."""
        where, _, _, values = row
        try:
            account = self._account(row)
        except SmtpcredsError as error:  # its subject, in a file of another format, may be a secret
            return Fault(where, error.reason)
        if not values:
            return Fault(where, f"{account} has no secret")
        try:
            if fault := self._secret_fault(account, values):
                return Fault(where, f"{account}: {fault}")
            records = [record(account, name, value) for name, value in values.items()]
            for key, value in records:
                if misfit := self._misfit_of(key, value):
                    raise misfit
        except SmtpcredsError as error:
            return Fault(where, f"{account}: {error.reason}")
        records.sort()
        secret = values.get(USER_PASSWORD)
        weakness = None if secret is None else weakness_of(account, secret)
        return Candidate(where, account, tuple(records), weakness)

    def _account(self, row: Row) -> Account:
        typed = parse_account(row.name, row.realm or self._realm)
        account = self._folded(typed)
        if row.realm and account != self._folded(Account(account.authcid, row.realm)):
            raise NameRefusedError(row.name, "names one realm, and the realm beside it is another")
        if account != typed and DIGEST in row.properties:
            raise NameRefusedError(row.name, "its DIGEST-MD5 value was made for the realm in capitals")
        if self._is_guessed and not is_likely_name(account.authcid):
            raise NameRefusedError(row.name, _name_fault(account.authcid))
        check_new_name(account)
        if account.authcid in self._logins or self._asks:
            refuse_login_name(self._root, account.authcid)
        return account

    def _folded(self, account: Account) -> Account:
        return account if self._rules.is_exact else self._accounts.folded(account)

    def _secret_fault(self, account: Account, values: Mapping[str, bytes]) -> str | None:
        secret = values.get(USER_PASSWORD)
        if secret is None:
            return None
        if is_column_name(account.authcid) and is_column_name(secret):
            return "name and secret are what columns are called, as if this were a header"
        if self._is_guessed and (kind := hash_kind(secret)):
            return _hash_fault(kind)
        if self._is_guessed and self._rules.is_table and (fault := _mark_fault(secret)):
            return fault
        if self._rules.check_logins:
            check_chosen_secret(self._root, Secret(secret))
        return chosen_fault(secret)


def _name_fault(name: str) -> str:
    if name.startswith(("#", ";")):
        return f"begins with {name[0]}, as comments do (--skip-bad leaves it out)"
    return "its name does not look like an account's (--allow-odd-names)"


def _mark_fault(secret: bytes) -> str | None:
    """Return why marks round a secret are rather part of the file, or None."""
    is_quoted = len(secret) > 1 and secret[:1] == secret[-1:] and secret[:1] in (b"'", b'"', b"`")
    if secret.startswith((b" ", b"\t")) or is_quoted:
        what = "is in quotation marks" if is_quoted else "begins with a blank"
        return f"its secret {what}, which may belong to the file (--allow-odd-names takes it as it is)"
    return None


def _hash_fault(kind: str) -> str:
    if is_served(kind):
        return (
            f"its secret is a {kind} value; write a line user:{{{kind}}}value, as Dovecot does: --as dovecot"
        )
    return f"its secret is a hash ({kind}), from which no server can make the password"


# Many accounts into a database at once: one change, all of it or nothing.


class OnConflict(StrEnum):
    """What becomes of an account that the database has with other content."""

    FAIL = "fail"
    SKIP = "skip"
    REPLACE = "replace"


class Accounts(Sequence[Account]):
    """Accounts of candidates and blocks; of a block each is made when it is asked for."""

    def __init__(self, parts: Parts, records: Mapping[bytes, bytes]) -> None:
        self._parts, self._records = parts, records

    def __len__(self) -> int:
        return sum(1 if isinstance(part, Candidate) else len(part.places) for part in self._parts)

    def __iter__(self) -> Iterator[Account]:
        return (candidate.account for candidate in _candidates(self._parts, self._records))

    def __getitem__(self, at: Any) -> Any:
        return tuple(self)[at]

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True)
class Imported:
    """What an import did; ``skipped`` were there already with the same content."""

    database: str
    added: Accounts
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    refused: tuple[Fault, ...]


@dataclass(frozen=True)
class Merge:
    """How candidates meet a database: edits by key, and each account in one of four groups."""

    edits: Mapping[bytes, bytes | None]
    added: Accounts
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    conflicts: tuple[Fault, ...]


def merge(records: Records, accepted: Accepted, on_conflict: OnConflict) -> Merge:
    """Compare the candidates with the records of a database.

    An account that the database has with the very same properties is skipped, whatever is asked for. One that
    is replaced loses every property that the file does not give, since it would keep an old secret alive.
    """
    held = _keys_by_owner(records)
    are_new = not held or held.keys().isdisjoint(map(_owner, accepted.records))
    edits: dict[bytes, bytes | None] = {}
    added: list[Candidate | Taken] = []
    replaced, skipped, conflicts = [], [], []
    for candidate in accepted.parts if are_new else accepted:
        if isinstance(candidate, Taken):
            added.append(candidate)
            continue
        old = held.get(_owner(candidate.records[0][0]))
        if old is None:
            added.append(candidate)
            edits.update(candidate.records)
        elif on_conflict is OnConflict.SKIP or dict(candidate.records) == {key: records[key] for key in old}:
            skipped.append(candidate.account)
        elif on_conflict is OnConflict.REPLACE:
            replaced.append(candidate.account)
            edits.update(dict.fromkeys(old) | dict(candidate.records))
        else:
            conflicts.append(Fault(candidate.where, f"{candidate.account} exists with other content"))
    if are_new:
        edits = {**accepted.records, **edits} if edits else accepted.records  # type: ignore[assignment]
    return Merge(edits, Accounts(added, accepted.records), tuple(replaced), tuple(skipped), tuple(conflicts))


def import_accounts(
    accounts: AccountDatabase,
    intake: Intake,
    on_conflict: OnConflict,
    refuse: Callable[[tuple[Fault, ...]], None],
) -> Imported:
    """Bring the accepted accounts into the database, in one change.

    Args:
        accounts: the database.
        intake: what the file gives.
        on_conflict: what becomes of accounts that exist.
        refuse: gets what is refused, where anything is, and raises unless the rest is to be imported.
    """
    before = dict(accounts.records().items())
    found = merge(before, intake.accepted, on_conflict)
    if refused := (*intake.refused, *found.conflicts):
        refuse(refused)
    write = accounts.writer()
    accepted = intake.accepted
    if found.skipped or found.conflicts:
        wanted = {*found.added, *found.replaced}
        accepted = Accepted(candidate for candidate in intake.accepted if candidate.account in wanted)
    unchanged = done = replace(found, skipped=(), conflicts=())

    def edits(records: Records) -> Mapping[bytes, bytes | None]:
        nonlocal done
        is_same = len(records) == len(before) and dict(records.items()) == before
        done = unchanged if is_same else merge(records, accepted, on_conflict)
        if done.conflicts:
            raise ExistsError(accounts.database, f"{done.conflicts[0].reason}; nothing was imported")
        return done.edits

    if accepted:
        write(edits)
        for account in done.replaced:
            _follow(accounts, account)
        audit_to_syslog(
            accounts.site.warn,
            "sasl import",
            [(accounts.database, f"{len(done.added)} added, {len(done.replaced)} replaced")],
        )
    return Imported(accounts.database, done.added, done.replaced, (*found.skipped, *done.skipped), refused)


def _follow(accounts: AccountDatabase, account: Account) -> None:
    """Bring the new secret to the account's file for client hosts; one that can't be read back is told."""
    try:
        follow(accounts, account)
    except PasswordRefusedError:
        path = auth_info_for_clients(accounts.site, account)
        accounts.site.warn(f"{path}: has a former secret of {account}, which no longer works")


def _keys_by_owner(records: Records) -> dict[bytes, list[bytes]]:
    """Group the keys of accounts by what they have in common: authcid, NUL, realm."""
    held: dict[bytes, list[bytes]] = {}
    for key in records:
        if key.count(b"\0") == 2:
            held.setdefault(_owner(key), []).append(key)
    return held


def _owner(key: bytes) -> bytes:
    return key[: key.rindex(b"\0")]


# From a file's name to the accounts in it.

SASLDB = "sasldb"
FORMATS = (*KINDS, SASLDB)
"""Names of the formats on the command line."""
MAX_TEXT = 1 << 30
"""Octets; a million hashed accounts are a quarter of it as lines of JSON."""


def accounts_of(path: str, kind: str | None, layout: Layout = ANY) -> Source:
    """Read the accounts of a file, or of a database in PostgreSQL.

    Args:
        path: of the file, or a URL.
        kind: one of FORMATS; None to tell it from the content.
        layout: what is said of a table.
    """
    _verify_kind(kind)
    if is_url(path):
        return _of_url(path, kind)
    if os.path.exists(path) and not (is_file(path) or is_directory(path)):
        reason = "is not a regular file"
        raise UnsafePathError(path, reason, "give a pipe as standard input: smtpcreds sasl import -")
    if kind == SASLDB or (kind is None and _is_sasldb(path)):
        _refuse_public(path)
        return _of_database(path)
    return accounts_in(read_private(path, MAX_TEXT), kind, path, layout)


def accounts_in(content: bytes, kind: str | None, subject: str, layout: Layout = ANY) -> Source:
    """Read the accounts of a text; see :func:`accounts_of`."""
    _verify_kind(kind)
    if kind == SASLDB:
        raise DataError(subject, "a database is read from a file, not from standard input")
    return read_text(content, kind, subject, layout)


def _verify_kind(kind: str | None) -> None:
    if kind is not None and kind not in FORMATS:
        raise UsageError(f"--as {kind}", "unknown format", suggestion(kind, FORMATS))


def _is_sasldb(path: str) -> bool:
    try:
        return format_at(path) is not None
    except DataError:
        return False


def _of_url(url: str, kind: str | None) -> Source:
    open_store(url)
    if kind not in (None, SASLDB):
        raise UsageError("--as", f"says {kind}, and the source is PostgreSQL", "leave --as out")
    return _of_database(url)


def _refuse_public(path: str) -> None:
    """Accept a database that its server's group may read, but not everybody."""
    with explained(path):
        mode = os.stat(path).st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        reason = f"has mode {stat.S_IMODE(mode):04o}; everybody may use it"
        raise UnsafePathError(path, reason, f"chmod o-rwx {quote(path)}")


def _of_database(path: str) -> Source:
    return Source("a database of Cyrus SASL", rows_of(open_store(path).load()), is_exact=True)
