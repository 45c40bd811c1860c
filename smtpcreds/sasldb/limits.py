"""Which records each kind of database can't hold, told before anything is written.

Cyrus SASL's ``sql`` plugin takes a value as a C string, and of a ``bytea`` it would see hexadecimal digits
(cyrus-sasl ``plugins/sql.c``); so PostgreSQL holds text, of accounts alone.
"""

from collections.abc import Callable, Iterable, Mapping

from ..errors import InexpressibleError
from .detect import Format
from .records import MAX_KEY

SQL = "postgresql"
"""The kind of a database that is named by a URL; every other kind is a :class:`.detect.Format`."""
MAX_LMDB_KEY = 511
MAX_SQL_VALUE = 8189
"""The plugin copies into 8192 bytes and ends a longer value nowhere."""

Rule = Callable[[bytes, bytes], InexpressibleError | None]
"""From key and value to the error that says what is wrong with them; it is about the account."""

_BINARY = "is binary, and Cyrus SASL reads only text from PostgreSQL"
_BINARY_HINT = "keep the clear text (userPassword) or a SCRAM verifier (authPassword)"


def rule_of(kind: str) -> Rule:
    """Return the rule of a kind of database: ``SQL`` or a format."""
    return _RULES[kind]


def refuse_misfits(kind: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Accept keys and values that a kind of database can hold."""
    misfit_of = rule_of(kind)
    for key, value in records:
        if misfit := misfit_of(key, value):
            raise misfit


def name_of(key: bytes) -> str:
    """Return whose record this is, printable: ``user@realm``, or the key where it is no account's."""
    authcid, *others = key.split(b"\0")
    return _printable(authcid + b"@" + others[0] if len(others) == 2 else key)


def _printable(octets: bytes) -> str:
    text = octets.decode(errors="surrogateescape")
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
    if fault := _fault_of_key(key):
        return InexpressibleError(name_of(key), fault)
    if fault := _fault_of_value(value):
        prop = _printable(key.rpartition(b"\0")[2])
        hint = _BINARY_HINT if fault == _BINARY else None
        return InexpressibleError(name_of(key), f"its {prop} {fault}", hint)
    return None


def _fault_of_key(key: bytes) -> str | None:
    if key.count(b"\0") != 2:
        return "is not an account's key"
    if key.startswith(b"\0") or key.endswith(b"\0") or not _is_utf8(key):
        return "has a name that is empty or no UTF-8"
    if len(key) > MAX_KEY:  # PostgreSQL's own refusal would show the secret in its log
        return f"has a key of {len(key)} octets, too long for {SQL}"
    return None


def _fault_of_value(value: bytes) -> str | None:
    if b"\0" in value or not _is_utf8(value):
        return _BINARY
    if not value:
        return "is empty, which the plugin accepts as a password"
    if len(value) > MAX_SQL_VALUE:
        return f"has {len(value)} bytes; Cyrus SASL reads {MAX_SQL_VALUE} from SQL"
    return None


def _is_utf8(octets: bytes) -> bool:
    try:
        return octets.isascii() or bool(octets.decode())
    except UnicodeDecodeError:
        return False


_RULES: Mapping[str, Rule] = {
    Format.BDB: _short_keys(Format.BDB, MAX_KEY, empty=True),
    Format.GDBM: _any_key,
    Format.LMDB: _short_keys(Format.LMDB, MAX_LMDB_KEY, empty=False),
    SQL: _sql,
}
