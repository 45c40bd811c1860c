"""What a database holds, account by account, without secrets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from ..model import Account
from ..sasldb.records import USER_PASSWORD, in_order
from .mechanisms import ALL, are_ordinary, is_ordinary, remarks, served

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


def listing(records: Mapping[bytes, bytes]) -> Listing:
    """Return all accounts; keys that are no account's are left out."""
    found = dict(records.items())
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
