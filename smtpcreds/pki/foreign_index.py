"""The ledger of ``openssl ca``: ``index.txt``, kept by CA.pl's demoCA and by easy-rsa.

Six fields a line, separated by tabs: status, expiry, revocation, serial, file name, subject (OpenSSL
apps/include/apps.h, ``DB_type`` and following). A backslash before a tab keeps the tab in the field.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from ..errors import DamagedFileError
from .revocation import Reason, Revoked

_FIELDS = 6
_SEPARATOR = re.compile(r"(?<!\\)\t")
_TIME = re.compile(r"(?:[0-9]{2})?[0-9]{12}Z")
_COMMON_NAME = re.compile(r"/CN=((?:[^/]|/(?![A-Za-z0-9.]+=))*)")
_ESCAPED = re.compile(rb"\\x([0-9A-F]{2})")
_REASONS = {reason.value.lower(): reason for reason in Reason} | {
    # Forms of `openssl ca -crl_hold`, -crl_compromise and -crl_CA_compromise.
    "holdinstruction": Reason.CERTIFICATE_HOLD,
    "keytime": Reason.KEY_COMPROMISE,
    "cakeytime": Reason.CA_COMPROMISE,
    "removefromcrl": Reason.UNSPECIFIED,
}


class Status(Enum):
    """First field of a line."""

    VALID = "V"
    REVOKED = "R"
    EXPIRED = "E"


@dataclass(frozen=True, slots=True)
class Row:
    """One issued certificate.

    ``expires`` is aware. ``file`` is None where the ledger says "unknown", as ``openssl ca`` always does.
    ``subject`` is the name in OpenSSL's one-line form (``/C=../CN=..``).
    """

    status: Status
    expires: datetime
    revoked: Revoked | None
    serial: int
    file: str | None
    subject: str

    @property
    def common_name(self) -> str | None:
        """The last CN, or None; a ``/X=`` inside a value can't be told from the next attribute."""
        found = _COMMON_NAME.findall(self.subject)
        return _unescaped(found[-1]) if found else None


def read_index(data: bytes, subject: str) -> tuple[Row, ...]:
    """Return the rows in the ledger's order.

    Args:
        data: content of index.txt.
        subject: the file's name, for messages.

    Raises:
        DamagedFileError: with the number of the line; also for a serial number that occurs twice, at which
            OpenSSL itself refuses the whole file.
    """
    rows: dict[int, Row] = {}
    for number, line in _lines(data):
        where = f"{subject}:{number}"
        row = _row(line, where)
        if row.serial in rows:
            raise DamagedFileError(
                where,
                f"serial {row.serial:X} is there twice: {rows[row.serial].subject} and {row.subject}",
                "two certificates share a serial number; revoke both, and remove one line",
            )
        rows[row.serial] = row
    return tuple(rows.values())


def revocations(rows: Iterable[Row]) -> Iterator[Revoked]:
    """Yield the revocations among the rows."""
    return (row.revoked for row in rows if row.revoked is not None)


def read_counter(data: bytes, subject: str) -> int:
    """Return the number in a ``serial`` or ``crlnumber`` file: the one that will be used next.

    Raises:
        DamagedFileError: not one hexadecimal number.
    """
    return _hexadecimal(data.decode("ascii", "replace").strip(), subject, "content")


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    text = data.decode("utf-8", "backslashreplace")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.removesuffix("\r")


def _row(line: str, where: str) -> Row:
    parts = [part.replace("\\\t", "\t") for part in _SEPARATOR.split(line)]
    if len(parts) != _FIELDS:
        raise DamagedFileError(where, f"has {len(parts)} fields instead of {_FIELDS}")
    flag, expiry, revocation, serial, name, distinguished = parts
    if flag not in ("V", "R", "E"):
        raise DamagedFileError(where, f"has the status {flag!r}; known: V, R, E")
    status, number = Status(flag), _hexadecimal(serial, where, "serial number")
    if (status is Status.REVOKED) != bool(revocation):
        raise DamagedFileError(
            where, f"status {flag} and revocation time {revocation!r} contradict each other"
        )
    revoked = _revocation(revocation, number, where) if revocation else None
    file = None if name in ("unknown", "") else name
    return Row(status, _time(expiry, where), revoked, number, file, distinguished)


def _revocation(text: str, serial: int, where: str) -> Revoked:
    moment, _, rest = text.partition(",")
    reason = _REASONS.get((rest.partition(",")[0] or "unspecified").lower())
    if reason is None:
        raise DamagedFileError(where, f"has an unknown revocation reason {rest!r}")
    return Revoked(serial, _time(moment, where), reason)


def _time(text: str, where: str) -> datetime:
    """Parse UTCTime or GeneralizedTime; years of two digits from 50 on are of the 20th century (RFC 5280)."""
    if not _TIME.fullmatch(text):
        raise DamagedFileError(where, f"has a broken time {text!r}")
    century = "" if len(text) == 15 else "19" if text >= "50" else "20"
    try:
        return datetime.strptime(century + text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise DamagedFileError(where, f"has an impossible time {text!r}") from None


def _hexadecimal(text: str, where: str, what: str) -> int:
    if not re.fullmatch(r"[0-9A-Fa-f]+", text):
        raise DamagedFileError(where, f"has a {what} that is not hexadecimal ({text!r})")
    return int(text, 16)


def _unescaped(text: str) -> str:
    raw = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode())
    return raw.decode("utf-8", "replace")
