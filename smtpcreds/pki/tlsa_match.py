"""Does a TLSA record fit what a server presents (RFC 6698 section 2.1, RFC 7671, RFC 7672 section 3.1)?"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import DataError, UsageError, quoted
from . import fields
from .chains import climb
from .dn import title
from .pem import encode_der
from .tlsa import DANE_EE, DANE_TA, end_entity
from .values import Certificate

_RECORD = re.compile(r"([0-3]) ([01]) ([0-2]) ([0-9A-Fa-f]{2}[0-9A-Fa-f ]*)")
_LENGTHS = {1: 32, 2: 64}
_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda value: value,
    1: lambda value: hashlib.sha256(value).digest(),
    2: lambda value: hashlib.sha512(value).digest(),
}


@dataclass(frozen=True, slots=True)
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
    """Read ``U S M HEX``, as zone files have it.

    Raises:
        UsageError: another form, or a digest of the wrong length.
    """
    found = _RECORD.fullmatch(" ".join(text.split()))
    if not found:
        raise UsageError(quoted(text), "is no TLSA record", "write it as in '3 1 1 HEX'")
    usage, selector, matching = (int(number) for number in found.groups()[:3])
    try:
        data = bytes.fromhex(found[4])
    except ValueError:
        raise UsageError(quoted(text), "has an odd number of hexadecimal digits") from None
    if len(data) != _LENGTHS.get(matching, len(data)):
        raise UsageError(quoted(text), f"has {len(data)} octets where {_LENGTHS[matching]} are the digest")
    return Association(usage, selector, matching, data)


def match(records: Sequence[Association], presented: Sequence[Certificate]) -> str:
    """Return in words which record fits what a server presents, its own certificate first.

    Raises:
        DataError: none does; SMTP clients then deliver nothing.
    """
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
