"""Names of the links by which OpenSSL finds certificates and CRLs in a directory (``openssl rehash``).

Sendmail's ``confCACERT_PATH`` and ``confCRL_PATH`` and Postfix's ``smtpd_tls_CApath`` are searched for
``HASH.N`` (certificates, by subject) and ``HASH.rN`` (CRLs, by issuer); no other file is seen there.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from . import fields

if TYPE_CHECKING:
    from cryptography import x509

_LINK = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")


def subject_hash(certificate: "x509.Certificate") -> str:
    """Return the eight hexadecimal digits of ``openssl x509 -subject_hash``."""
    return _name_hash(fields.subject(certificate))


def issuer_hash(crl: "x509.CertificateRevocationList") -> str:
    """Return the eight hexadecimal digits of ``openssl crl -hash``."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return _name_hash(fields.crl_issuer(crl.public_bytes(Encoding.DER)))


def is_link_name(name: str) -> bool:
    """Tell whether a file name has the form of a hash link."""
    return _LINK.fullmatch(name) is not None


def links(
    certificates: Mapping[str, "x509.Certificate"],
    crls: Mapping[str, "x509.CertificateRevocationList"],
) -> dict[str, str]:
    """Return link name to file name, as ``openssl rehash`` makes them in a directory without links.

    Files are taken in the order of their names; of equal objects only the first gets a link; objects whose
    names have the same hash are numbered from 0.

    Args:
        certificates: file name to the one certificate that the file holds (OpenSSL skips files with more).
        crls: file name to the one CRL that the file holds.
    """
    from cryptography.hazmat.primitives import hashes

    sha = hashes.SHA256()
    found = {n: (f"{subject_hash(c)}.", c.fingerprint(sha)) for n, c in certificates.items()}
    lists = {n: (f"{issuer_hash(c)}.r", c.fingerprint(sha)) for n, c in crls.items()}
    return dict(_numbered(found)) | dict(_numbered(lists))


def _numbered(files: dict[str, tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield link and file name; values of ``files`` are the link's stem and a fingerprint."""
    used: Counter[str] = Counter()
    seen: set[bytes] = set()
    for name, (stem, fingerprint) in sorted(files.items(), key=lambda item: _bytes(item[0])):
        if fingerprint not in seen:
            seen.add(fingerprint)
            yield f"{stem}{used[stem]}", name
            used[stem] += 1


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _name_hash(name: bytes) -> str:
    digest = hashlib.sha1(fields.canonical(name), usedforsecurity=False).digest()
    return digest[3::-1].hex()
