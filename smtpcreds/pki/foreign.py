"""Authorities that other programs made: the ledger of ``openssl ca``, and where each keeps its files."""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from enum import Enum

from ..errors import AmbiguousError, DamagedFileError
from ..lazy import dataclass, pattern
from .revocation import Reason, Revoked

# The ledger of ``openssl ca``: ``index.txt``, kept by CA.pl's demoCA and by easy-rsa.
#
# Six fields a line, separated by tabs: status, expiry, revocation, serial, file name, subject (OpenSSL
# apps/include/apps.h, ``DB_type`` and following). A backslash before a tab keeps the tab in the field.

_FIELDS = 6
_SEPARATOR = pattern(r"(?<!\\)\t")
_TIME = pattern(r"(?:[0-9]{2})?[0-9]{12}Z")
_COMMON_NAME = pattern(r"/CN=((?:[^/]|/(?![A-Za-z0-9.]+=))*)")
_ESCAPED = pattern(rb"\\x([0-9A-F]{2})")
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


@dataclass(frozen=True)
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
    """Return the number in a ``serial`` or ``crlnumber`` file: the one that will be used next."""
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


# Where other CA programs keep their files: told from the names alone, as data.
#
# easy-rsa, OpenSSL's CA.pl, step and mkcert were looked at while they ran; certstrap and minica are known
# from their documentation.


@dataclass(frozen=True)
class Layout:
    """What one program's directory looks like; paths are relative, with ``/``.

    Attributes:
        peer: the program.
        certificate: regular expression for the issuing CA's certificate; its groups fill the templates.
        needs: templates of other files without which it is not this layout.
        key: template of the CA's private key, which may be absent (kept offline).
        issued: regular expression of issued certificates; one certificate may be there under two names.
        keys: regular expression of the private keys of issued certificates.
        parents: templates of CA certificates above the issuing one, nearest first.
        crl, ledger, crl_counter: templates; None where the program has none.
        homes: directories below the given one in which to look, each ending in ``/`` or empty.
    """

    peer: str
    certificate: str
    key: str
    needs: tuple[str, ...] = ()
    issued: str | None = None
    keys: str | None = None
    parents: tuple[str, ...] = ()
    crl: str | None = None
    ledger: str | None = None
    crl_counter: str | None = None
    homes: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Found:
    """The files of another CA, by their names below the directory that was looked at; None: not there."""

    peer: str
    certificate: str
    key: str | None
    parents: tuple[str, ...]
    issued: tuple[str, ...]
    keys: tuple[str, ...]
    crl: str | None
    ledger: str | None
    crl_counter: str | None


_CA = r"(?P<stem>ca|CA|rootCA|root_?ca)"

LAYOUTS = (
    Layout(
        "easy-rsa",
        certificate=r"ca\.crt",
        needs=("index.txt",),
        key="private/ca.key",
        issued=r"(?:(?:renewed/)?issued|expired)/[^/]+\.crt"
        r"|certs_by_serial/[0-9A-F]+\.pem|(?:revoked|renewed)/certs_by_serial/[0-9A-F]+\.(?:crt|pem)",
        keys=r"private/(?!ca\.key$)[^/]+\.key",
        crl="crl.pem",
        ledger="index.txt",
        homes=("", "pki/"),
    ),
    Layout(
        "OpenSSL CA.pl",
        certificate=r"cacert\.pem",
        needs=("index.txt",),
        key="private/cakey.pem",
        issued=r"newcerts/[0-9A-F]+\.pem",
        crl="crl/crl.pem",
        ledger="index.txt",
        crl_counter="crlnumber",
        homes=("", "demoCA/"),
    ),
    Layout(
        "openssl ca",  # as the guides' openssl.cnf has it, for a root and for an intermediate
        certificate=r"certs/(?P<stem>ca|intermediate)\.cert\.pem",
        needs=("index.txt",),
        key="private/{stem}.key.pem",
        issued=r"newcerts/[0-9A-F]+\.pem",
        parents=("certs/ca-chain.cert.pem",),
        crl="crl/{stem}.crl.pem",
        ledger="index.txt",
        crl_counter="crlnumber",
    ),
    Layout(
        "step",
        certificate=r"certs/intermediate_ca\.crt",
        key="secrets/intermediate_ca_key",
        parents=("certs/root_ca.crt",),
        homes=("", ".step/"),
    ),
    Layout(
        "step",
        certificate=r"intermediate_ca\.crt",
        key="intermediate_ca_key",
        needs=("intermediate_ca_key",),
        parents=("root_ca.crt",),
    ),
    Layout("step", certificate=r"root_ca\.crt", needs=("root_ca_key",), key="root_ca_key"),
    Layout("mkcert", certificate=r"rootCA\.pem", key="rootCA-key.pem"),
    Layout(
        "minica",
        certificate=r"minica\.pem",
        key="minica-key.pem",
        issued=r"[^/]+/cert\.pem",
        keys=r"[^/]+/key\.pem",
    ),
    Layout(
        "certstrap",
        certificate=r"(?P<stem>[^/]+)\.crt",
        needs=("{stem}.crl",),
        key="{stem}.key",
        issued=r"[^/]+\.crt",
        keys=r"[^/]+\.key",
        crl="{stem}.crl",
        homes=("", "out/"),
    ),
    Layout(
        "key and certificate", certificate=_CA + r"\.(?:crt|pem|cer)", needs=("{stem}.key",), key="{stem}.key"
    ),
    Layout(
        "key and certificate", certificate=_CA + r"\.pem", needs=("{stem}-key.pem",), key="{stem}-key.pem"
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>(?:[^/]*[^a-z])?(?:ca)?-?)cert\.pem",
        needs=("{stem}key.pem",),
        key="{stem}key.pem",
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>[^/]+)\.(?:crt|pem|cer)",
        needs=("{stem}.key",),
        key="{stem}.key",
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>[^/]+)\.pem",
        needs=("{stem}-key.pem",),
        key="{stem}-key.pem",
    ),
)


def recognise(names: Collection[str], subject: str) -> Found | None:
    """Return the CA whose files these are, or None.

    Args:
        names: paths of all files below the directory, relative to it, with ``/``.
        subject: the directory's name, for messages.
    """
    present = frozenset(names)
    for layout in LAYOUTS:
        for home in layout.homes:
            candidates = list(_candidates(layout, home, present))
            if len(candidates) > 1:
                listed = ", ".join(found.certificate for found in candidates)
                raise AmbiguousError(
                    subject, f"holds several that could be the CA: {listed}", "name the files"
                )
            if candidates:
                return candidates[0]
    return None


def _candidates(layout: Layout, home: str, present: frozenset[str]) -> Iterator[Found]:
    for name in sorted(_within(home, present)):
        match = re.fullmatch(layout.certificate, name)
        if match and all(home + need.format(**match.groupdict()) in present for need in layout.needs):
            yield _found(layout, home, name, match.groupdict(), present)


def _found(
    layout: Layout, home: str, certificate: str, groups: dict[str, str], present: frozenset[str]
) -> Found:
    def one(template: str | None) -> str | None:
        path = home + template.format(**groups) if template else None
        return path if path in present else None

    def many(pattern: str | None, but: str | None) -> tuple[str, ...]:
        fitting = (home + n for n in _within(home, present) if pattern and re.fullmatch(pattern, n))
        return tuple(sorted(path for path in fitting if path != but))

    key, parents = one(layout.key), tuple(filter(None, map(one, layout.parents)))
    return Found(
        layout.peer,
        home + certificate,
        key,
        parents,
        many(layout.issued, home + certificate),
        many(layout.keys, key),
        one(layout.crl),
        one(layout.ledger),
        one(layout.crl_counter),
    )


def _within(home: str, present: frozenset[str]) -> Iterator[str]:
    return (name.removeprefix(home) for name in present if name.startswith(home))
