"""Many accounts at once: read from a file or a database, checked, taken in whole or not at all."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

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
from ..lazy import dataclass, pattern
from ..model import Account, parse_account
from ..passwords import chosen_fault, hash_kind, may_be_weak
from ..postgres import is_url
from ..progress import counted
from ..sasldb.limits import rule_of
from ..sasldb.opening import format_at, open_store
from ..sasldb.records import USER_PASSWORD, pack, record, split_keys
from ..secret import Secret
from ..shell import quote
from .auth_info import auth_info_for_clients, follow
from .columns import is_column_name, is_likely_name
from .database import AccountDatabase, Records
from .dump import rows_of
from .formats import KINDS, read_text
from .rows import Fault, Row, Source
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


@dataclass(frozen=True)
class Intake:
    """What a file gives: accounts that may come in, repetitions to the letter, and what is refused.

    Attributes:
        weak: of the accepted accounts, those with a secret that is soon guessed.
    """

    accepted: tuple[Candidate, ...]
    repeated: tuple[Fault, ...]
    refused: tuple[Fault, ...]
    weak: tuple[Fault, ...]


def take_in(accounts: AccountDatabase, rows: list[Row | Fault], rules: Rules) -> Intake:
    """Check every row, and empty the list.

    An account that comes twice is refused the second time, unless both say the same.
    """
    check = _Check(accounts, rules)
    accepted: dict[Account, Candidate] = {}
    repeated: list[Fault] = []
    refused: list[Fault] = []
    for found in check.candidates(counted(_drained(rows), len(rows))):
        if isinstance(found, Fault):
            refused.append(found)
        elif (first := accepted.setdefault(found.account, found)) is not found:
            is_same = first.records == found.records
            fault = Fault(found.where, f"{found.account} came in {first.where} already")
            (repeated if is_same else refused).append(fault)
    weak = tuple(
        Fault(where, f"{account}: its secret {fault}")
        for where, account, _, fault in accepted.values()
        if fault
    )
    return Intake(tuple(accepted.values()), tuple(repeated), tuple(refused), weak)


_AT_ONCE = 1000


def _drained(rows: list[Row | Fault]) -> Iterator[Row | Fault]:
    """Give the rows and forget each; a million of them take half a gigabyte."""
    rows.reverse()
    while rows:
        yield rows.pop()


class _Check:
    """The checks of one account."""

    def __init__(self, accounts: AccountDatabase, rules: Rules) -> None:
        self._accounts, self._root, self._rules = accounts, accounts.site.root, rules
        self._misfit_of = rule_of(accounts.kind())
        self._realm = rules.realm or accounts.site.realm
        self._logins = frozenset() if rules.allow_login_names else login_names(self._root)
        self._is_guessed = not (rules.any_names or rules.is_exact)
        self._asks = rules.check_logins and not rules.allow_login_names

    def candidates(self, rows: Iterator[Row | Fault]) -> Iterator[Candidate | Fault]:
        """Give the account of each row, or why it may not come in."""
        while some := [*islice(rows, _AT_ONCE)]:
            if (found := self._ordinary(some)) is not None:
                yield from found
            else:
                yield from (row if isinstance(row, Fault) else self.candidate(row) for row in some)

    def _ordinary(self, rows: list[Row | Fault]) -> list[Candidate] | None:
        """Return the accounts of rows of which every single one is ordinary by looks, else None.

        What :meth:`candidate` would ask of each is asked of all at once.
        """
        pairs = ordinary_pairs(rows)
        if pairs is None or self._rules.check_logins or not _ORDINARY_NAMES.fullmatch(f"x@{self._realm}\n"):
            return None
        names, secrets = pairs
        parts = [name.partition("@") for name in names]
        realms = {realm if at else self._realm for _, at, realm in parts}
        own = self._accounts.site.realm
        if any(realm != own and realm.lower() == own.lower() for realm in realms):
            return None
        accounts = [Account(user, realm if at else self._realm) for user, at, realm in parts]
        users = [user for user, _, _ in parts]
        if not self._logins.isdisjoint(users) or may_be_weak(secrets, users, realms):
            return None
        keys = [pack(account, USER_PASSWORD) for account in accounts]
        if self._misfit_of(max(keys, key=len), max(secrets, key=len)):
            return None
        places = (row.where for row in rows if isinstance(row, Row))
        return [
            Candidate(where, account, ((key, secret),), None)
            for where, account, key, secret in zip(places, accounts, keys, secrets, strict=True)
        ]

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


# Rows that nothing speaks against, nearly all: told from others together, a fifth of the time.

_ORDINARY_NAMES = pattern(
    r"(?:(?=[^@\n]*[a-zA-Z])[a-zA-Z0-9._][a-zA-Z0-9._-]{0,254}(?:@[a-zA-Z0-9][a-zA-Z0-9.-]{0,254})?\n)+"
)
_ORDINARY_SECRETS = pattern(rb"(?:(?!pbkdf2)(?=[^0-9\n]*[0-9])[a-zA-Z0-9._~-][!-~]{7,249}\n)+")
"""With a digit, as no column's name has; not in marks; not as hashes begin."""


def ordinary_pairs(rows: Sequence[Row | Fault]) -> tuple[list[str], list[bytes]] | None:
    """Return names and clear passwords of rows that have nothing else and nothing odd, or None."""
    names: list[str] = []
    secrets: list[bytes] = []
    for row in rows:
        if isinstance(row, Fault) or row.realm or len(row.properties) != 1:
            return None
        names.append(row.name)
        secrets.append(row.properties.get(USER_PASSWORD, b""))
    name_lines, secret_lines = "\n".join((*names, "")), b"\n".join((*secrets, b""))
    if name_lines.count("\n") != len(rows) or secret_lines.count(b"\n") != len(rows):
        return None
    fits = _ORDINARY_NAMES.fullmatch(name_lines) and _ORDINARY_SECRETS.fullmatch(secret_lines)
    return (names, secrets) if fits else None


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


@dataclass(frozen=True)
class Imported:
    """What an import did; ``skipped`` were there already with the same content."""

    database: str
    added: tuple[Account, ...]
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    refused: tuple[Fault, ...]


@dataclass(frozen=True)
class Merge:
    """How candidates meet a database: edits by key, and each account in one of four groups."""

    edits: Mapping[bytes, bytes | None]
    added: tuple[Account, ...]
    replaced: tuple[Account, ...]
    skipped: tuple[Account, ...]
    conflicts: tuple[Fault, ...]


def merge(records: Records, accepted: tuple[Candidate, ...], on_conflict: OnConflict) -> Merge:
    """Compare the candidates with the records of a database.

    An account that the database has with the very same properties is skipped, whatever is asked for. One that
    is replaced loses every property that the file does not give, since it would keep an old secret alive.
    """
    held = _keys_by_account(records)
    edits: dict[bytes, bytes | None] = {}
    added, replaced, skipped, conflicts = [], [], [], []
    for candidate in accepted:
        old = held.get(candidate.account)
        if old is None:
            added.append(candidate.account)
            edits.update(candidate.records)
        elif on_conflict is OnConflict.SKIP or dict(candidate.records) == {key: records[key] for key in old}:
            skipped.append(candidate.account)
        elif on_conflict is OnConflict.REPLACE:
            replaced.append(candidate.account)
            edits.update(dict.fromkeys(old) | dict(candidate.records))
        else:
            conflicts.append(Fault(candidate.where, f"{candidate.account} exists with other content"))
    return Merge(edits, tuple(added), tuple(replaced), tuple(skipped), tuple(conflicts))


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
    wanted = {*found.added, *found.replaced}
    accepted = tuple(candidate for candidate in intake.accepted if candidate.account in wanted)
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
            "sasl import", [(accounts.database, f"{len(done.added)} added, {len(done.replaced)} replaced")]
        )
    return Imported(accounts.database, done.added, done.replaced, (*found.skipped, *done.skipped), refused)


def _follow(accounts: AccountDatabase, account: Account) -> None:
    """Bring the new secret to the account's file for client hosts; one that can't be read back is told."""
    try:
        follow(accounts, account)
    except PasswordRefusedError:
        path = auth_info_for_clients(accounts.site, account)
        accounts.site.warn(f"{path}: has a former secret of {account}, which no longer works")


def _keys_by_account(records: Records) -> dict[Account, list[bytes]]:
    """Group the keys of accounts."""
    held: dict[Account, list[bytes]] = {}
    keys = [key for key in records if key.count(b"\0") == 2]
    authcids, realms, _ = split_keys(keys)
    for account, key in zip(map(Account, authcids, realms), keys, strict=True):
        held.setdefault(account, []).append(key)
    return held


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
