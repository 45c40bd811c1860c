"""Certificate signing requests (PKCS #10, RFC 2986): make one, and judge a stranger's."""

from collections.abc import Iterable, Iterator
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ..errors import DamagedFileError, DataError, NameRefusedError
from ..lazy import dataclass
from ..names import parse_host
from . import encoding
from .fields import requested_key_info
from .keys import PrivateKey, PublicKey, digest_for, restriction, weakness
from .names import MAX_PART, Address

_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
_ATTRIBUTES = {"1.2.840.113549.1.9.7": "challengePassword"}


@dataclass(frozen=True)
class Requested:
    """What is taken from a request.

    Host names are lower-case A-labels without repetition; ``common_name`` is None when there is none, or when
    it is no host name. ``ignored`` names, for people, everything else that the request asked for.
    """

    common_name: str | None
    dns_names: tuple[str, ...]
    ip_addresses: tuple[Address, ...]
    public_key: PublicKey
    ignored: tuple[str, ...]


def make_request(
    key: PrivateKey,
    host: str,
    dns_names: Iterable[str] = (),
    ip_addresses: Iterable[Address] = (),
) -> bytes:
    """Return a request in PEM for the host and its other names, signed with the key.

    The common name is left out where the host name is longer than 64 octets; the subjectAltName is critical
    then, because the subject is empty (RFC 5280 section 4.2.1.6).
    """
    names = dict.fromkeys(parse_host(name, wildcard=True) for name in (host, *dns_names))
    common = [
        x509.NameAttribute(NameOID.COMMON_NAME, name) for name in list(names)[:1] if len(name) <= MAX_PART
    ]
    alternative = x509.SubjectAlternativeName(
        [*map(x509.DNSName, names), *map(x509.IPAddress, dict.fromkeys(ip_addresses))]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(common))
    builder = builder.add_extension(alternative, critical=not common)
    return builder.sign(key, digest_for(key)).public_bytes(Encoding.PEM)


def read_request(data: bytes, subject: str, *, wildcard: bool = False) -> Requested:
    """Read and judge one request, PEM or DER.

    Args:
        data: the file's content.
        subject: the file's name, for messages.
        wildcard: accept ``*`` as the whole left label of a DNS name.
    """
    labels = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
    encoded = encoding.single(data, labels, "a certificate request", subject)
    try:
        request = x509.load_der_x509_csr(encoded)
        extensions = request.extensions
        alternative = _alternative_names(extensions)
        common = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        ignored = [*_ignored(request, extensions), *_ignored_names(alternative)]
    except encoding.DAMAGE as error:
        raise DamagedFileError(subject, f"is not a readable certificate request ({error})") from None
    key = _public_key(request, subject)
    _verify_possession(request, subject)
    presented = [name.value for name in alternative if isinstance(name, x509.DNSName)]
    hosts = dict.fromkeys(parse_host(name, wildcard=wildcard) for name in presented)
    addresses = dict.fromkeys(_addresses(alternative, subject))
    name = _common_name(common, subject, needed=not hosts and not addresses)
    if common and name is None:
        ignored.append("common name that is not a host name")
    return Requested(name, tuple(hosts), tuple(addresses), key, tuple(ignored))


def _public_key(request: x509.CertificateSigningRequest, subject: str) -> PublicKey:
    try:
        key = request.public_key()
    except encoding.UNREADABLE as error:
        raise DataError(subject, f"has a key of an unknown kind ({error})") from None
    if fault := weakness(key) or restriction(requested_key_info(request), cast("PublicKey", key)):
        raise DataError(subject, f"has a key that can't be certified: it {fault}")
    return cast("PublicKey", key)


def _verify_possession(request: x509.CertificateSigningRequest, subject: str) -> None:
    try:
        proven = request.is_signature_valid
    except encoding.UNREADABLE as error:
        raise DataError(subject, f"is signed in a way that can't be checked ({error})") from None
    if not proven:
        raise DataError(
            subject,
            "its signature can't be verified with its own key, so possession of the key is not proven",
        )


def _common_name(common: list[str], subject: str, *, needed: bool) -> str | None:
    if len(common) > 1:
        raise DataError(subject, f"has {len(common)} common names")
    if not common:
        if needed:
            raise NameRefusedError(subject, "names no host: neither a common name nor a subjectAltName")
        return None
    try:
        return parse_host(common[0])
    except NameRefusedError:
        if needed:
            raise
        return None


def _alternative_names(extensions: x509.Extensions) -> list[x509.GeneralName]:
    try:
        return list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _addresses(names: list[x509.GeneralName], subject: str) -> Iterator[Address]:
    for name in names:
        if isinstance(name, x509.IPAddress):
            if not isinstance(name.value, Address):
                raise NameRefusedError(subject, f"asks for a network ({name.value}); give single addresses")
            yield name.value


def _ignored(request: x509.CertificateSigningRequest, extensions: x509.Extensions) -> Iterator[str]:
    for attribute in request.subject:
        if attribute.oid != NameOID.COMMON_NAME:
            yield f"subject attribute {attribute.rfc4514_attribute_name}"
    for extension in extensions:
        if not isinstance(extension.value, x509.SubjectAlternativeName):
            yield f"extension {type(extension.value).__name__} ({extension.oid.dotted_string})"
    for other in request.attributes:
        if other.oid.dotted_string != _EXTENSION_REQUEST:
            yield f"attribute {_ATTRIBUTES.get(other.oid.dotted_string, other.oid.dotted_string)}"


def _ignored_names(names: list[x509.GeneralName]) -> Iterator[str]:
    for name in names:
        if not isinstance(name, (x509.DNSName, x509.IPAddress)):
            yield f"subjectAltName {type(name).__name__}"
