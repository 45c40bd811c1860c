"""What must hold for a certificate and its key: one rule and one sentence each, for every verb that asks.

A rule returns the fault as a sentence without its subject, or None. That the chain holds is
:func:`.chains.verify_chain`; that nobody revoked it, :func:`.crl.verify_unlisted`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509

from ..errors import DataError
from ..names import covers
from .dates import Period, has_ended
from .describe import purposes_of
from .keys import HasPublicKey, PrivateKey, matches, weakness
from .names import Address, names_of
from .profiles import Purpose


def another_key(of: str) -> str:
    """Return the fault of a key that is not that of the certificate, which ``of`` names."""
    return f"is not the key of {of}"


def key_fault(certificate: x509.Certificate, key: HasPublicKey, of: str) -> str | None:
    """The key belongs to the certificate, which ``of`` names."""
    return None if matches(certificate, key) else another_key(of)


def certificate_of(
    key: PrivateKey,
    certificates: Iterable[x509.Certificate],
    path: str,
    of: str,
    hint: str | None = None,
) -> x509.Certificate:
    """Return the certificate that a key belongs to.

    Args:
        key: the private key.
        certificates: those that it may belong to.
        path: of the key, for the message.
        of: what names the certificates there.
        hint: of the error.

    Raises:
        DataError: it belongs to none of them.
    """
    found = next((certificate for certificate in certificates if matches(certificate, key)), None)
    if found is None:
        raise DataError(path, another_key(of), hint)
    return found


def period_of(certificate: x509.Certificate) -> Period:
    """Return from when until when a certificate is valid."""
    return Period(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def date_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    """The certificate is valid now."""
    return period_of(certificate).fault(now)


def has_expired(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether its time is over; nobody depends on it any more."""
    return has_ended(certificate.not_valid_after_utc, now)


def name_fault(certificate: x509.Certificate, hosts: Sequence[str | Address]) -> str | None:
    """One of the hosts is among its alternative names (RFC 9525); the CN does not count."""
    if not hosts or any(is_for(certificate, host) for host in hosts):
        return None
    return f"is not for {' or '.join(map(str, hosts))}; it holds {held_names(certificate) or 'no name'}"


def is_for(certificate: x509.Certificate, host: str | Address) -> bool:
    """Tell whether a certificate is for a host; a name with an asterisk is for itself too."""
    names = names_of(certificate)
    if isinstance(host, str):
        return any(host == name or covers(name, host) for name in names.dns_names)
    return host in names.addresses


def held_names(certificate: x509.Certificate) -> str:
    """Return the alternative names of a certificate as one phrase; empty where it has none."""
    names = names_of(certificate)
    return ", ".join((*names.dns_names, *map(str, names.addresses)))


def purpose_fault(certificate: x509.Certificate, purposes: Iterable[Purpose]) -> str | None:
    """A certificate that names purposes names those wanted (RFC 5280 section 4.2.1.12)."""
    allowed = purposes_of(certificate)
    missing = [f"TLS {purpose.value}s" for purpose in purposes if purpose not in allowed]
    return f"is not for {' and '.join(missing)} (extendedKeyUsage)" if missing else None


def role_fault(certificate: x509.Certificate, purposes: Sequence[Purpose]) -> str | None:
    """A host's certificate serves in these roles: both of the next two rules."""
    return purpose_fault(certificate, purposes) or handshake_fault(certificate, purposes)


def handshake_fault(certificate: x509.Certificate, purposes: Sequence[Purpose]) -> str | None:
    """Who has a role in TLS may sign (RFC 8446 section 4.4.2.2), which a CA's own keyUsage does not allow."""
    usage = key_usage(certificate)
    may = not purposes or usage is None or usage.digital_signature
    return None if may else "may not sign TLS handshakes (keyUsage)"


def strength_fault(certificate: x509.Certificate) -> str | None:
    """Its key is one that OpenSSL's security level 2 takes."""
    fault = weakness(certificate.public_key())
    return fault and f"has a key that {fault}"


def key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    """Return the keyUsage; None allows everything."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
