"""What a database holds, account by account, without secrets."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import compress, islice, repeat
from operator import eq
from typing import NamedTuple, Protocol, Self, runtime_checkable

from ..errors import DataError
from ..model import Account
from ..names import BY_PASSWORD
from ..passwords import MIN_ITERATIONS, parse_scram
from ..sasldb.records import AUTH_PASSWORD, MAX_VALUE, MECHANISM_SECRETS, USER_PASSWORD, in_order, split_keys
from .stored import first_value

# What Cyrus SASL 2.1.28 makes of the properties an account has: mechanisms to serve, and oddities.

STRONGEST_FIRST = (*BY_PASSWORD, "OTP", "SRP")

CLEAR_TEXT = frozenset(BY_PASSWORD)
"""What a ``userPassword`` serves."""
MAX_LOGIN = 1024
"""Octets; the plugin of LOGIN refuses more from the client."""

LENGTHS = {
    "cmusaslsecretCRAM-MD5": 32,
    "cmusaslsecretDIGEST-MD5": 16,
    "cmusaslsecretPLAIN": 33,
}
"""Shorter ones open nothing; of longer ones the rest is ignored (observed)."""
_SERVED_BY = {
    "cmusaslsecretCRAM-MD5": frozenset({"CRAM-MD5"}),
    "cmusaslsecretDIGEST-MD5": frozenset({"DIGEST-MD5"}),
    "cmusaslsecretPLAIN": frozenset({"PLAIN", "LOGIN"}),
    "cmusaslsecretOTP": frozenset({"OTP"}),
    "cmusaslsecretSRP": frozenset({"SRP"}),
}
_LOOKED_AT_BESIDE = frozenset({"cmusaslsecretPLAIN", "cmusaslsecretOTP", "cmusaslsecretSRP"})
"""Read even where there is a userPassword; the others are not (observed)."""


def served(properties: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the mechanisms, strongest first, that a relay with all plugins can serve the account.

    An ``authPassword`` holds one verifier and serves the one SCRAM variant that it names (RFC 5803); a
    verifier that is cut off serves nothing.
    """
    if is_ordinary(properties):
        return ALL
    clear = properties.get(USER_PASSWORD)
    found = {mechanism for name in properties for mechanism in _served_by(name, properties)}
    if clear is not None:
        found |= _clear_text(clear)
    elif scram := _scram(properties.get(AUTH_PASSWORD)):
        found.add(scram)
    return ordered(found)


def ordered(mechanisms: Iterable[str]) -> tuple[str, ...]:
    """Return the mechanisms, strongest first."""
    return tuple(sorted(mechanisms, key=STRONGEST_FIRST.index))


ALL = ordered(CLEAR_TEXT)
"""What an ordinary account can be served by."""


def remarks(properties: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return what an administrator should know of an account's properties; usually nothing."""
    return () if is_ordinary(properties) else tuple(_remarks(properties))


def is_ordinary(properties: Mapping[str, bytes]) -> bool:
    """Tell whether there is a userPassword, not an odd one, and nothing else; most accounts are such."""
    return len(properties) == 1 and USER_PASSWORD in properties and are_ordinary(properties.values())


def are_ordinary(values: Collection[bytes]) -> bool:
    """Tell whether there is nothing odd about any of these clear passwords."""
    joined = b"\0".join((*values, b""))
    return (
        all(values)
        and joined.count(b"\0") == len(values)
        and b"\r\0" not in joined
        and max(map(len, values), default=0) <= MAX_LOGIN
    )


def _clear_text(value: bytes) -> frozenset[str]:
    if not value:
        return frozenset({"PLAIN", "LOGIN"})
    if len(value) > MAX_VALUE:
        return frozenset()
    return CLEAR_TEXT if len(value) <= MAX_LOGIN else CLEAR_TEXT - {"LOGIN"}


def _served_by(name: str, properties: Mapping[str, bytes]) -> frozenset[str]:
    if len(properties[name]) < LENGTHS.get(name, 1):
        return frozenset()
    if USER_PASSWORD in properties and name not in _LOOKED_AT_BESIDE:
        return frozenset()
    return _SERVED_BY.get(name, frozenset())


def _scram(stored: bytes | None) -> str | None:
    """Return the mechanism of a value that servers and clients of Cyrus SASL accept."""
    if stored is None:
        return None
    try:
        return parse_scram(first_value(stored)).mechanism
    except DataError:
        return None


def _clear_remarks(value: bytes) -> Iterator[str]:
    if not value:
        yield "userPassword is empty: PLAIN and LOGIN open it to an empty password"
    if b"\0" in value:
        yield "userPassword holds a NUL, and servers read it up to there"
    if value.endswith(b"\r"):
        yield "userPassword ends in a carriage return, which clients would have to send"
    if len(value) > MAX_VALUE:
        yield f"userPassword is over {MAX_VALUE} octets; no server reads it, so nobody can log in with it"
    elif len(value) > MAX_LOGIN:
        yield f"userPassword is over {MAX_LOGIN} octets, too long for LOGIN"


def _remarks(properties: Mapping[str, bytes]) -> Iterator[str]:
    clear = properties.get(USER_PASSWORD)
    if clear is not None:
        yield from _clear_remarks(clear)
        yield from beside(properties)
    elif AUTH_PASSWORD in properties:
        yield from _scram_remarks(properties[AUTH_PASSWORD])
    for name, length in LENGTHS.items():
        if len(properties.get(name, bytes(length))) < length:
            yield f"{name} has {len(properties[name])} octets instead of {length} and can't be used"


def beside(properties: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the remarks on what stands beside a userPassword."""
    for name in (AUTH_PASSWORD, *MECHANISM_SECRETS):
        if name in _LOOKED_AT_BESIDE and name in properties:
            yield f"{name} also lets the account log in, perhaps with an older password"
        elif name in properties:
            yield f"{name} is ignored beside userPassword"


def _scram_remarks(stored: bytes) -> Iterator[str]:
    try:
        keys = parse_scram(first_value(stored))
    except DataError as error:
        yield f"{error.subject} {error.reason}, and can't be used"
        return
    if keys.iterations < MIN_ITERATIONS:
        yield f"authPassword has {keys.iterations} iterations; newer clients refuse under {MIN_ITERATIONS}"
    if b" " in stored:
        yield "authPassword holds several values; servers read the first one"


ORDINARY = (USER_PASSWORD,)
_END = b"\0" + USER_PASSWORD.encode()


class Entry(NamedTuple):
    """One account of the database and what it can do; no secret.

    Attributes:
        remarks: what is odd about its properties, one line each; usually none.
    """

    account: Account
    properties: tuple[str, ...]
    mechanisms: tuple[str, ...]
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, account: Account, held: Mapping[str, bytes]) -> Self:
        """Describe an account by its properties."""
        if is_ordinary(held):
            return cls(account, ORDINARY, ALL, ())
        return cls(account, tuple(sorted(held)), served(held), remarks(held))


class Listing(NamedTuple):
    """All accounts, by realm and name.

    Most have nothing but a ``userPassword``; they are kept as names alone, since there may be a million.

    Attributes:
        names: every account as ``user@realm``, in order.
        others: those that are not ordinary.
    """

    names: list[str]
    others: Mapping[str, Entry]


@runtime_checkable
class Runs(Protocol):
    """Records that can be read some at a time."""

    def runs(self) -> Iterable[tuple[list[bytes], list[bytes]]]:
        """Give keys and values; see :meth:`smtpcreds.sasldb.bdb.CleanFile.runs`."""


def listing(records: Mapping[bytes, bytes]) -> Listing:
    """Return all accounts; keys that are no account's are left out."""
    names = _ordinary_names(records.runs()) if isinstance(records, Runs) else None
    return Listing(names, {}) if names is not None else _listing(dict(records.items()))


def _ordinary_names(runs: Iterable[tuple[list[bytes], list[bytes]]]) -> list[str] | None:
    """Return the names of all accounts if all of them are ordinary, else None.

    What is read is forgotten but for the names: there may be a million.
    """
    by_realm: dict[str, list[str]] = {}
    for keys, values in runs:
        if not are_ordinary(values):
            return None
        if users := _of_one_realm(keys):
            realm = keys[0].split(b"\0")[1].decode(errors="surrogateescape")
            by_realm.setdefault(realm, []).extend(users)
            continue
        if not {*map(bytes.count, keys, repeat(b"\0"))} <= {2}:
            return None
        users, realms, properties = split_keys(keys)
        if properties.count(USER_PASSWORD) != len(keys):
            return None
        for realm in {*realms}:
            is_of = map(eq, realms, repeat(realm))
            by_realm.setdefault(realm, []).extend(compress(users, is_of))
    is_unique = all(map(_sort, by_realm.values()))
    return _joined(by_realm) if is_unique else None


def _of_one_realm(keys: list[bytes]) -> list[str]:
    """Return the users if all keys are of one realm and the usual property, else nothing."""
    parts = b"\0\0".join(keys).decode(errors="surrogateescape").split("\0")
    users, realms, properties, between = (parts[place::4] for place in range(4))
    is_alike = (
        any(realms[:1])  # two keys that are cut off could pass for one without a realm
        and realms.count(realms[0]) == properties.count(USER_PASSWORD) == len(users) == len(keys)
        and between.count("") == len(between) == len(keys) - 1
    )
    return users if is_alike else []


def _sort(users: list[str]) -> bool:
    """Sort, and tell whether no name comes twice."""
    users.sort()
    return not any(map(eq, users, islice(users, 1, None)))


_AT_ONCE = 10_000


def _joined(by_realm: dict[str, list[str]]) -> list[str]:
    """Return ``user@realm`` of each, and forget the users."""
    names: list[str] = []
    for realm in sorted(by_realm):
        users, end = by_realm.pop(realm), f"@{realm}"
        for start in range(0, len(users), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            users[some] = [user + end for user in users[some]]
        names = names + users if names else users
    return names


def _listing(found: Mapping[bytes, bytes]) -> Listing:
    groups = _grouped(found)
    others: dict[str, Entry] = {}
    if not (all(map(_is_usual, groups)) and are_ordinary(found.values())):
        rest = _others(found)
        others = {str(account): Entry.of(account, held) for account, held in in_order(rest)}
        groups = _grouped(key for key in found if key not in rest)
    realms: dict[str, list[str]] = {entry.account.realm: [] for entry in others.values()}
    for end, users in groups.items():
        realm = end.partition(b"\0")[0].decode(errors="surrogateescape")
        realms.setdefault(realm, []).extend(b"\0".join(users).decode(errors="surrogateescape").split("\0"))
    for entry in others.values():
        realms[entry.account.realm].append(entry.account.authcid)
    return Listing([f"{name}@{realm}" for realm in sorted(realms) for name in sorted(realms[realm])], others)


def _grouped(keys: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the user names of the keys by what follows them: realm, NUL, property."""
    groups: dict[bytes, list[bytes]] = defaultdict(list)
    for key in keys:
        user, _, end = key.partition(b"\0")
        groups[end].append(user)
    return groups


def _is_usual(end: bytes) -> bool:
    return end.endswith(_END) and end.count(b"\0") == 1


def _others(records: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the records of the accounts that are not ordinary, and the keys that are no account's."""
    odd = {
        key.rpartition(b"\0")[0]
        for key, value in records.items()
        if not (_is_usual(key.partition(b"\0")[2]) and are_ordinary((value,)))
    }
    return {key: value for key, value in records.items() if key.rpartition(b"\0")[0] in odd}
