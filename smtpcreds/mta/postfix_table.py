"""Postfix's lookup tables: lines ``key value``, and what is made of them for each type of table.

There is no quoting. A key ends at the first blank and is folded to lower case; a value is what follows up to
the end of the line, without blanks around it (postmap(1)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..secret import Secret
from .port import Compiled, Content, File, Map, Rendered

HASH = "hash"
LMDB = "lmdb"
TEXT = "texthash"
"""Read from the source itself, by daemons as they start."""
KINDS = frozenset({HASH, LMDB})
"""Choices instead of TEXT."""
MAX_VALUE = 1024
"""Octets. The tables take more; but smtpd reads 2048 octets of a line, and AUTH PLAIN needs a third more."""

_BLANK = b" \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        path: of its source.
        kind: TEXT, HASH or LMDB.
        entries: key to value.
        mode: of all its files.
    """

    path: str
    kind: str
    entries: Mapping[str, Content]
    mode: int = 0o644

    @property
    def name(self) -> str:
        """What main.cf calls it."""
        return f"{self.kind}:{self.path}"

    @property
    def files(self) -> tuple[Rendered, ...]:
        """Its source, and the Berkeley DB file of a table of kind HASH."""
        lines = [(f"{key}\t".encode(), *value, b"\n") for key, value in self.entries.items()]
        source = File(self.path, tuple(piece for line in lines for piece in line), self.mode)
        if self.kind != HASH:
            return (source,)
        records = {key.lower().encode(): value for key, value in self.entries.items()}
        return (source, Map(f"{self.path}.db", records, self.path, self.mode, terminator=b"\0"))

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What the commands make."""
        return (Compiled(f"{self.path}.lmdb", (self.path,)),) if self.kind == LMDB else ()

    @property
    def commands(self) -> tuple[str, ...]:
        """How it is made of its source."""
        return (f"postmap {quote(self.name)}",) if self.kind == LMDB else ()


def kind_of(variants: frozenset[str]) -> str:
    """Return the kind of table that was chosen.

    Raises:
        UsageError: two at once.
    """
    chosen = sorted(variants & KINDS)
    if len(chosen) > 1:
        raise UsageError(" and ".join(chosen), "are two types of table", "choose one")
    return chosen[0] if chosen else TEXT


def password(subject: str, login: str, secret: Secret) -> Content:
    """Return the value ``login:secret`` of a password table; Postfix divides it at its first colon.

    Raises:
        InexpressibleError: a secret that Postfix would not read back, named by its account.
    """
    fault = _fault(secret.reveal())
    if fault:
        reason = f"the secret {fault}, which a table of Postfix can't express"
        raise InexpressibleError(subject, reason, f"smtpcreds sasl passwd {quote(subject)}")
    return (f"{login}:".encode(), secret)


def parse(content: bytes, path: str) -> dict[str, bytes]:
    """Read a source: key to value.

    Raises:
        DamagedFileError: a line that Postfix would not take as ``key value``, by its number.
    """
    found: dict[str, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip(_BLANK) or line.startswith(b"#"):
            continue
        key, *value = line.split(None, 1)
        if not value or line[:1].isspace() or not key.isascii():
            raise DamagedFileError(path, f"line {number} is not 'key value'")
        found[key.decode()] = value[0].rstrip(_BLANK)
    return found


def parse_password(content: bytes, path: str) -> Mapping[str, str | Secret]:
    """Read a password table of one entry.

    Raises:
        DamagedFileError: lines that are none, or more than one.
    """
    entries = parse(content, path)
    if len(entries) != 1:
        raise DamagedFileError(
            path, f"has {len(entries)} lines with entries; smtpcreds writes one, for the hub"
        )
    key, value = next(iter(entries.items()))
    login, _, secret = value.partition(b":")
    return {"key": key, "authcid": login.decode(errors="replace"), "secret": Secret(secret)}


def _fault(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if value != value.rstrip(_BLANK):
        return "ends in a blank"
    if any(octet < 32 or octet == 127 for octet in value):
        return "contains a control character"
    if len(value) > MAX_VALUE:
        return f"is over {MAX_VALUE} octets"
    try:
        value.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return None
