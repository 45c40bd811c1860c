"""TLSA records for SMTP servers (RFC 6698, RFC 7671, RFC 7672).

Two kinds are made: ``3 1 1`` (DANE-EE, the server's own key; name and expiry are not looked at) and ``2 1 1``
(DANE-TA, the issuing CA's key; the server must send that CA's certificate, and the name must match).
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import DataError, NameRefusedError, UsageError, quoted
from ..lazy import dataclass, pattern
from ..names import is_qualified, parse_host
from . import fields
from .chains import climb
from .encoding import encode_der
from .names import title
from .values import Certificate

if TYPE_CHECKING:
    from cryptography import x509


DANE_TA, DANE_EE = 2, 3
_SPKI, _SHA_256 = 1, 1
_MAX_PORT, _MAX_TTL = 65535, 2**31 - 1


@dataclass(frozen=True)
class Tlsa:
    """The data of one record: SHA-256 over the DER of a SubjectPublicKeyInfo."""

    usage: int
    digest: bytes

    @property
    def fields(self) -> tuple[int, int, int, bytes]:
        """Usage, selector, matching type and data (RFC 6698 section 2.1)."""
        return self.usage, _SPKI, _SHA_256, self.digest

    def __str__(self) -> str:
        return f"{self.usage} {_SPKI} {_SHA_256} {self.digest.hex()}"


def end_entity(certificate: "x509.Certificate") -> Tlsa:
    """Return the ``3 1 1`` record of a server certificate."""
    return _record(DANE_EE, fields.public_key_info(certificate))


def trust_anchor(certificate: "x509.Certificate") -> Tlsa:
    """Return the ``2 1 1`` record of an issuing CA's certificate."""
    return _record(DANE_TA, fields.public_key_info(certificate))


def zone_line(record: Tlsa, host: str, port: int = 25, ttl: int | None = None) -> str:
    """Return the record as a line of a zone file, without line end.

    Args:
        record: the data.
        host: the fully qualified name that the MX record points to.
        port: TCP port.
        ttl: seconds, or None for the zone's default.
    """
    owner = owner_name(host, port)
    if ttl is not None and not 0 <= ttl <= _MAX_TTL:
        raise UsageError(f"TTL {ttl}", f"is not between 0 and {_MAX_TTL}")
    return f"{owner} {'' if ttl is None else f'{ttl} '}IN TLSA {record}"


def owner_name(host: str, port: int = 25) -> str:
    """Return the name that the records of a port have, with its final dot (RFC 6698 section 3)."""
    name = parse_host(host)
    if not is_qualified(name):
        raise NameRefusedError(name, "is not fully qualified; a TLSA record needs the whole name")
    if not 0 < port <= _MAX_PORT:
        raise UsageError(f"port {port}", f"is not between 1 and {_MAX_PORT}")
    return f"_{port}._tcp.{name}."


def _record(usage: int, public_key_info: bytes) -> Tlsa:
    return Tlsa(usage, hashlib.sha256(public_key_info).digest())


# Does a TLSA record fit what a server presents (RFC 6698 section 2.1, RFC 7671, RFC 7672 section 3.1)?

_RECORD = pattern(r"([0-3]) ([01]) ([0-2]) ([0-9A-Fa-f]{2}[0-9A-Fa-f ]*)")
_LENGTHS = {1: 32, 2: 64}
_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda value: value,
    1: lambda value: hashlib.sha256(value).digest(),
    2: lambda value: hashlib.sha512(value).digest(),
}


@dataclass(frozen=True)
class Association:
    """The data of a record: certificate usage, selector, matching type, association data."""

    usage: int
    selector: int
    matching: int
    data: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()[:16]}..."

    def fits(self, certificate: Certificate) -> bool:
        """Tell whether the record is made from this certificate."""
        chosen = fields.public_key_info(certificate) if self.selector else encode_der(certificate)
        return _DIGESTS[self.matching](chosen) == self.data


def parse_association(text: str) -> Association:
    """Read ``U S M HEX``, as zone files have it."""
    found = _RECORD.fullmatch(" ".join(text.split()))
    if not found:
        raise UsageError(quoted(text), "is not a TLSA record", "write it as in '3 1 1 HEX'")
    usage, selector, matching = (int(number) for number in found.groups()[:3])
    try:
        data = bytes.fromhex(found[4])
    except ValueError:
        raise UsageError(quoted(text), "has an odd number of hexadecimal digits") from None
    if len(data) != _LENGTHS.get(matching, len(data)):
        raise UsageError(quoted(text), f"has {len(data)} octets where {_LENGTHS[matching]} are the digest")
    return Association(usage, selector, matching, data)


def match(records: Sequence[Association], presented: Sequence[Certificate]) -> str:
    """Return in words which record fits what a server presents, its own certificate first."""
    usable = [record for record in records if record.usage in {DANE_TA, DANE_EE}]
    if not usable:
        raise DataError("TLSA", f"usage {records[0].usage} is not for SMTP (RFC 7672 section 3.1.3)")
    leaf, *above = presented
    path = climb(leaf, above)
    for record in usable:
        candidates = path[:1] if record.usage == DANE_EE else path[1:]
        if found := next(filter(record.fits, candidates), None):
            return f"{record} is {title(found)}"
    raise DataError("TLSA", f"no matching TLSA record; the server's own is {end_entity(leaf)}")
