"""States that are the same but for what is random in them, so that a command does the same in each.

A state is read to its last octet: PEM and DER by element, the inventory by row, accounts by record, text by
word. A value is random if it is neither in the start nor in both of two runs without a fault. Equal random
values are equal in the other state, too; a time may be another of the same ten minutes, counted from now; all
other values, names, modes, owners and links are the same, and so is which signatures are good.
What can't be read so is compared octet by octet.
"""

import base64
import binascii
import os
import re
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from smtpcreds.errors import SmtpcredsError
from smtpcreds.sasldb.opening import open_store

Part = tuple[str, object]
"""What a part is, and its value: ``is`` structure, ``of`` a value that may be random, ``at`` a UNIX time."""

_TEXT = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>[A-Za-z0-9+/=\s]+)-----END (?P=label)-----"
    r"|(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)?"
    r"|(?P<word>[A-Za-z0-9_.~+/=-]+)"
)
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_INTEGER, _BITS, _OCTETS, _CONSTRUCTED = 0x02, 0x03, 0x04, 0x20
_ONE_TIME = 600
_YEARS = 40 * 366 * 86400
_SMALL = 1 << 32
_HELD = ("/lock", ".lock")
"""Files whose content only names who held a lock."""


class Alike:
    """The states after faults of one command."""

    def __init__(self, start: Path, ends: Iterable[Path]) -> None:
        one, other = (set(_parts(end)) for end in ends)
        self._known = {*_parts(start), *(one & other)}
        self._seen: set[object] = set()

    def is_new(self, place: Path) -> Callable[[], None] | None:
        """Return what is to be called once a state was found to be well; None if one like it was."""
        form = self._form(place)
        return None if form in self._seen else lambda: self._seen.add(form)

    def _form(self, place: Path) -> tuple[object, ...]:
        numbers: dict[object, int] = {}
        now = time.time()

        def told(part: Part) -> object:
            kind, value = part
            if part in self._known or kind == "is":
                return part
            if kind == "at":
                assert isinstance(value, int)
                return "at", round((value - now) / _ONE_TIME)
            return "of", numbers.setdefault(value, len(numbers)), len(str(value)) // 8

        return (*map(told, _parts(place)), *_signed(place))


def _parts(place: Path) -> Iterator[Part]:
    for path in sorted(place.rglob("*")):
        status = path.lstat()
        yield from _of_text(str(path.relative_to(place)))
        yield (
            "is",
            (status.st_mode, status.st_uid, status.st_gid, stat.S_ISREG(status.st_mode) and status.st_nlink),
        )
        if stat.S_ISLNK(status.st_mode):
            yield from _of_text(os.readlink(path))
        elif stat.S_ISREG(status.st_mode) and not path.name.endswith(_HELD) and path.name != "lock":
            yield from _content(path)


def _content(path: Path) -> Iterable[Part]:
    content = path.read_bytes()
    if content.startswith(b"SQLite format 3\0"):
        try:
            return list(_of_database(path, content))
        except sqlite3.DatabaseError:  # not whole without what lies beside it
            return [("is", content)]
    try:
        return _of_text_once(content.decode())
    except UnicodeDecodeError:
        return _of_accounts(path, content)


def _of_database(path: Path, content: bytes) -> Iterator[Part]:
    """Yield the rows; where some of them lie beside it (-wal), that file is compared octet by octet."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as database:
        yield "is", (len(content), database.execute("PRAGMA quick_check").fetchall()[0])
        names = database.execute("SELECT name, type, sql FROM sqlite_master ORDER BY rowid").fetchall()
        for name, kind, sql in names:
            yield "is", (name, kind, sql)
            for row in database.execute(f'SELECT * FROM "{name}"') if kind == "table" else ():
                yield from chain.from_iterable(map(_of_value, row))


def _of_value(value: object) -> Iterable[Part]:
    if isinstance(value, int):
        return [("at" if abs(value - time.time()) < _YEARS else "is", value)]
    if isinstance(value, bytes):
        return _of_octets(value)
    return _of_text_once(value) if isinstance(value, str) else [("is", value)]


def _of_accounts(path: Path, content: bytes) -> Iterable[Part]:
    try:
        records = sorted(open_store(str(path)).load().items())
    except (SmtpcredsError, OSError, ValueError):
        return [("is", content)]
    return [("is", len(content)), *(("of", part) for record in records for part in record)]


@lru_cache(maxsize=4096)
def _of_text_once(text: str) -> tuple[Part, ...]:
    return tuple(_of_text(text))


def _of_text(text: str) -> Iterator[Part]:
    end = 0
    for found in _TEXT.finditer(text):
        yield "is", text[end : found.start()]
        end = found.end()
        if found["label"]:
            yield "is", found["label"]
            yield from _of_pem(found["body"])
        elif found["time"]:
            yield "at", int(datetime.fromisoformat(f"{found['time']}+00:00").timestamp())
        else:
            yield _of_word(found["word"])
    yield "is", text[end:]


def _of_word(word: str) -> Part:
    if word.isdecimal() and len(word) < 10:
        return "is", word
    return "of", word.lower().lstrip("0") if re.fullmatch("[0-9a-fA-F]+", word) else word


def _of_pem(body: str) -> Iterable[Part]:
    try:
        return _of_octets(base64.b64decode("".join(body.split()), validate=True))
    except binascii.Error:
        return [("is", body)]


def _of_octets(octets: bytes) -> list[Part]:
    """Return the elements of DER; octets that are none are one value."""
    try:
        return list(_of_der(octets))
    except (ValueError, IndexError):
        return [("of", octets.hex().lstrip("0"))]


def _of_der(octets: bytes) -> Iterator[Part]:
    if not octets:
        raise ValueError("nothing")
    while octets:
        tag, value, octets = _element(octets)
        yield "is", tag
        if tag & _CONSTRUCTED:
            yield from _of_der(value) if value else ()
            yield "is", "end"
        elif tag == _INTEGER and int.from_bytes(value) < _SMALL:
            yield "is", int.from_bytes(value)
        elif tag in _TIMES:
            yield "at", int(datetime.strptime(value.decode(), _TIMES[tag]).replace(tzinfo=UTC).timestamp())
        elif tag in {_BITS, _OCTETS}:
            yield from _of_octets(value[tag == _BITS :])
        else:
            yield "of", value.hex().lstrip("0")


def _element(octets: bytes) -> tuple[int, bytes, bytes]:
    tag, length, begin = octets[0], octets[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(octets[2:begin])
    if len(octets) < begin + length or tag & 0x1F == 0x1F or tag == 0:
        raise ValueError("no element of DER")
    return tag, octets[begin : begin + length], octets[begin + length :]


def _signed(place: Path) -> Iterator[tuple[bool, ...]]:
    """Yield of the certificates and CRLs of each file whether an authority's certificate signed them."""
    files = [path for path in sorted(place.rglob("*.pem")) if path.is_file() and not path.is_symlink()]
    texts = [path.read_bytes() for path in files]
    issuers = frozenset(one for text in texts for one in _certificates(text) if _is_authority(one))
    return (_signatures(text, issuers) for text in texts)


@lru_cache(maxsize=4096)
def _signatures(text: bytes, issuers: frozenset[x509.Certificate]) -> tuple[bool, ...]:
    signed: Iterator[x509.Certificate | x509.CertificateRevocationList]
    signed = chain(_certificates(text), _crls(text))
    return tuple(any(_signed_by(one, issuer) for issuer in issuers) for one in signed)


@lru_cache(maxsize=4096)
def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


@lru_cache(maxsize=1024)
def _certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(text))
    except ValueError:
        return ()


def _crls(text: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    try:
        return (x509.load_pem_x509_crl(text),)
    except ValueError:
        return ()


def _signed_by(one: x509.Certificate | x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if isinstance(one, x509.CertificateRevocationList):
        return one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    return True
