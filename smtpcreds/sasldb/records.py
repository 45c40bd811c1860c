"""Records of Cyrus SASL's sasldb plugin: ``authcid NUL realm NUL property`` -> raw bytes.

Source: cyrus-sasl ``sasldb/allockey.c``. Names are text with surrogateescape, so that a key that is not UTF-8
survives reading and writing. Nothing here touches a file.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from ..errors import InexpressibleError, NameRefusedError, PasswordRefusedError
from ..model import Account

USER_PASSWORD = "userPassword"  # noqa: S105 - the name of a property
"""The clear text; serves every mechanism and wins over all others."""
AUTH_PASSWORD = "authPassword"  # noqa: S105 - as above
"""RFC 5803: one SCRAM verifier, ``SCHEME$iterations:salt$StoredKey:ServerKey``."""
MECHANISM_SECRETS = tuple(f"cmusaslsecret{m}" for m in ("OTP", "SRP", "CRAM-MD5", "DIGEST-MD5", "PLAIN"))
"""Hashed secrets of Cyrus SASL 1.5, still read by 2.1.28; property names are case-sensitive."""

MAX_KEY = 1024
"""A quarter of a 4096-byte page; longer keys have no consistent order in a Berkeley DB hash page."""
MAX_VALUE = 8191
"""The plugin reads into 8192 bytes (``sasldb.c``)."""


@runtime_checkable
class Searchable(Protocol):
    """Records among which those of one account are found without reading all."""

    def starting(self, prefix: bytes) -> Iterable[bytes]:
        """Return the keys that begin with the prefix."""


def pack(account: Account, prop: str) -> bytes:
    """Return the record key."""
    key = f"{account.authcid}\0{account.realm}\0{prop}".encode(errors="surrogateescape")
    if key.count(b"\0") != 2:
        raise NameRefusedError(ascii(str(account))[1:-1], "a name in a record key can't hold a NUL")
    if len(key) > MAX_KEY:
        raise InexpressibleError(str(account), f"its record key has {len(key)} bytes; at most {MAX_KEY} fit")
    return key


def unpack(key: bytes) -> tuple[Account, str] | None:
    """Return account and property name of a key, or None for one without exactly two NULs."""
    if key.count(b"\0") != 2:
        return None
    authcid, realm, prop = key.decode(errors="surrogateescape").split("\0")
    return Account(authcid, realm), prop


def record(account: Account, prop: str, value: bytes) -> tuple[bytes, bytes]:
    """Return a record that every reader takes as it stands."""
    key = pack(account, prop)
    if len(value) > MAX_VALUE:
        raise InexpressibleError(
            str(account), f"its {prop} has {len(value)} bytes; at most {MAX_VALUE} are read"
        )
    if prop == USER_PASSWORD and (not value or b"\0" in value):
        raise PasswordRefusedError(str(account), f"the password {'holds a NUL' if value else 'is empty'}")
    return key, value


def properties(records: Mapping[bytes, bytes], account: Account) -> dict[str, bytes]:
    """Return every property of one account, those of unknown names included."""
    prefix = pack(account, "")
    keys = records.starting(prefix) if isinstance(records, Searchable) else records
    found = (key for key in keys if key.startswith(prefix) and key.count(b"\0") == 2)
    return {key[len(prefix) :].decode(errors="surrogateescape"): records[key] for key in found}


def by_account(records: Mapping[bytes, bytes]) -> dict[Account, dict[str, bytes]]:
    """Return all accounts with their properties, in the order of :func:`in_order`."""
    return dict(in_order(records))


def in_order(records: Mapping[bytes, bytes]) -> Iterator[tuple[Account, dict[str, bytes]]]:
    """Give each account with its properties, by realm and name; keys that are no account's are left out."""
    values = records if isinstance(records, dict) else dict(records.items())
    keys = sorted(key for key in values if key.count(b"\0") == 2)  # the keys of an account come together
    keys.sort(key=lambda key: key.split(b"\0", 2)[1])
    user = realm = None
    held: dict[str, bytes] = {}
    for authcid, place, prop, key in zip(*split_keys(keys), keys, strict=True):
        if authcid != user or place != realm:
            if user is not None and realm is not None:
                yield Account(user, realm), held
            user, realm, held = authcid, place, {}
        held[prop] = values[key]
    if user is not None and realm is not None:
        yield Account(user, realm), held


def split_keys(keys: Sequence[bytes]) -> tuple[list[str], list[str], list[str]]:
    """Return authcid, realm and property of each key, all of which have two NULs.

    Thrice as fast as key by key.
    """
    parts = b"\0".join(keys).decode(errors="surrogateescape").split("\0") if keys else []
    return parts[::3], parts[1::3], parts[2::3]


def orphans(records: Mapping[bytes, bytes]) -> list[bytes]:
    """Return the keys that are no account's; sasldblistusers2 2.1.28 never ends on them."""
    return [key for key in records if key.count(b"\0") != 2]


def replacement(
    records: Mapping[bytes, bytes], account: Account, values: Mapping[str, bytes]
) -> dict[bytes, bytes | None]:
    """Return the edits after which the account has these properties and no others.

    A stale property (``cmusaslsecretOTP``, ``authPassword``) would keep the old password alive. An empty
    ``values`` deletes the account.
    """
    edits: dict[bytes, bytes | None] = {pack(account, prop): None for prop in properties(records, account)}
    edits.update(record(account, prop, value) for prop, value in values.items())
    return edits


# Keys in groups that can be hashed side by side, each key in its own lane of one large integer.

LANES = 1024
"""Keys of a group, at most."""


def groups(keys: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Give the keys, in groups of one length, with that length; in no particular order."""
    by_length: dict[int, list[bytes]] = defaultdict(list)
    for key in keys:
        by_length[len(key)].append(key)
    for length, alike in by_length.items():
        for start in range(0, len(alike), LANES):
            yield length, alike[start : start + LANES]
