"""Which records each kind of database can't hold, told before anything is written.

Cyrus SASL's ``sql`` plugin takes a value as a C string, and of a ``bytea`` it would see hexadecimal digits
(cyrus-sasl ``plugins/sql.c``); so PostgreSQL holds text, of accounts alone.
"""

from collections.abc import Callable, Mapping

from ..errors import InexpressibleError
from .detect import Format
from .records import MAX_KEY, unpack

SQL = "postgresql"
"""The kind of a database that is named by a URL; every other kind is a :class:`.detect.Format`."""
MAX_LMDB_KEY = 511
MAX_SQL_VALUE = 8189
"""The plugin copies into 8192 bytes and ends a longer value nowhere."""

Rule = Callable[[bytes, bytes], InexpressibleError | None]
"""From key and value to the error that says what is wrong with them; it is about the account."""

_BINARY_HINT = "keep the clear text (userPassword) or a SCRAM verifier (authPassword)"


def rule_of(kind: str) -> Rule:
    """Return the rule of a kind of database: ``SQL`` or a format."""
    return _RULES[kind]


def name_of(key: bytes) -> str:
    """Return whose record this is, printable: ``user@realm``, or the key where it is no account's."""
    parts = key.split(b"\0")
    text = b"@".join(parts[:2] if len(parts) == 3 else parts).decode(errors="surrogateescape")
    return text if text.isprintable() else ascii(text)[1:-1]


def _short_keys(kind: Format, longest: int, *, empty: bool) -> Rule:
    def rule(key: bytes, _value: bytes) -> InexpressibleError | None:
        if len(key) <= longest and (key or empty):
            return None
        return InexpressibleError(name_of(key), f"has a key of {len(key)} octets, too long for {kind}")

    return rule


def _any_key(_key: bytes, _value: bytes) -> None:
    return None


def _sql(key: bytes, value: bytes) -> InexpressibleError | None:
    fault = _fault_of_key(key)
    if fault:
        return InexpressibleError(name_of(key), fault)
    prop = key.decode().rpartition("\0")[2]
    if _text(value) is None:
        reason = f"its {prop} is binary, and Cyrus SASL reads only text from PostgreSQL"
        return InexpressibleError(name_of(key), reason, _BINARY_HINT)
    if not value:
        return InexpressibleError(name_of(key), f"its {prop} is empty, which the plugin takes for a password")
    if len(value) > MAX_SQL_VALUE:
        reason = f"its {prop} has {len(value)} bytes; Cyrus SASL reads {MAX_SQL_VALUE} from SQL"
        return InexpressibleError(name_of(key), reason)
    return None


def _fault_of_key(key: bytes) -> str | None:
    named = unpack(key)
    if named is None:
        return "is no account's key"
    account, prop = named
    if not account.authcid or not prop or _text(key.replace(b"\0", b"")) is None:
        return "has a name that is empty or no UTF-8"
    if len(key) > MAX_KEY:  # PostgreSQL's own refusal would show the secret in its log
        return f"has a key of {len(key)} octets, too long for {SQL}"
    return None


def _text(octets: bytes) -> str | None:
    try:
        return None if b"\0" in octets else octets.decode()
    except UnicodeDecodeError:
        return None


_RULES: Mapping[str, Rule] = {
    Format.BDB: _short_keys(Format.BDB, MAX_KEY, empty=True),
    Format.GDBM: _any_key,
    Format.LMDB: _short_keys(Format.LMDB, MAX_LMDB_KEY, empty=False),
    SQL: _sql,
}
