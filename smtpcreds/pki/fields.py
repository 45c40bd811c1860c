"""Raw fields of certificates and CRLs (RFC 5280 sections 4.1 and 5.1), and names in canonical form."""

from typing import TYPE_CHECKING

from . import encoding

if TYPE_CHECKING:
    from cryptography import x509

_VERSION = 0xA0
_ISSUER, _SUBJECT, _SPKI = 2, 4, 5
_REQUESTED_SPKI = 2

_UTF8 = 0x0C
_CODECS = {_UTF8: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "latin-1", 0x1A: "latin-1"}
_CODECS |= {0x1C: "utf-32-be", 0x1E: "utf-16-be"}


def subject(certificate: "x509.Certificate") -> bytes:
    """Return the DER of the subject name."""
    return _certificate_field(certificate, _SUBJECT)


def issuer(certificate: "x509.Certificate") -> bytes:
    """Return the DER of the issuer name."""
    return _certificate_field(certificate, _ISSUER)


def public_key_info(certificate: "x509.Certificate") -> bytes:
    """Return the DER of the SubjectPublicKeyInfo, byte for byte as signed."""
    return _certificate_field(certificate, _SPKI)


def requested_key_info(request: "x509.CertificateSigningRequest") -> bytes:
    """Return the DER of the SubjectPublicKeyInfo of a request, byte for byte (RFC 2986 section 4.1)."""
    return list(encoding.values(encoding.first(request.tbs_certrequest_bytes).body))[_REQUESTED_SPKI].raw


def crl_issuer(crl: bytes) -> bytes:
    """Return the DER of the issuer's name in a CRL, itself given in DER."""
    head = encoding.values(encoding.first(encoding.first(crl).body).body)
    version_or_algorithm = next(head)
    if version_or_algorithm.tag == encoding.INTEGER:
        next(head)
    return next(head).raw


def canonical(name: bytes) -> bytes:
    """Return a name in the form that OpenSSL compares and hashes (``X509_NAME`` canonical encoding).

    Text becomes UTF-8 in lower case (ASCII only) with outer spaces removed and inner runs of white space
    collapsed; other values stay. The outer SEQUENCE header is left out.

    Args:
        name: DER of a Name.
    """
    return b"".join(_canonical_rdn(rdn.body) for rdn in encoding.values(encoding.first(name).body))


def _canonical_rdn(entries: bytes) -> bytes:
    # DER orders the members of a SET OF by their encodings, so the canonical ones are sorted again.
    return encoding.tlv(
        encoding.SET, b"".join(sorted(_canonical_entry(e.body) for e in encoding.values(entries)))
    )


def _canonical_entry(entry: bytes) -> bytes:
    kind, value = encoding.values(entry)
    return encoding.tlv(encoding.SEQUENCE, kind.raw + _canonical_value(value))


def _canonical_value(value: encoding.Value) -> bytes:
    codec = _CODECS.get(value.tag)
    if codec is None:
        return value.raw
    text = value.body.decode(codec, "surrogateescape").encode("utf-8", "surrogateescape")
    return encoding.tlv(_UTF8, b" ".join(text.split()).lower())


def _certificate_field(certificate: "x509.Certificate", number: int) -> bytes:
    fields = list(encoding.values(encoding.first(certificate.tbs_certificate_bytes).body))
    return fields[number + (fields[0].tag == _VERSION)].raw
