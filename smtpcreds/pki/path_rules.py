"""What must hold for a path of certificates whose names and signatures fit already (RFC 5280 section 6.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509

from ..names import covers
from .constraints import Address, constraints_of, names_of, refusal
from .describe import authority_of, purposes_of
from .dn import title
from .keys import weakness
from .profiles import Purpose

_UNDERSTOOD = {
    kind.oid
    for kind in (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.NameConstraints,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    )
}


@dataclass(frozen=True)
class Path:
    """Certificates from the host's to the root, and what is wanted of the first one."""

    certificates: tuple[x509.Certificate, ...]
    moment: datetime
    purposes: tuple[Purpose, ...] = ()
    host: str | Address | None = None
    undated: bool = False
    """Whether the dates of the first certificate are another question."""

    @property
    def leaf(self) -> x509.Certificate:
        """The first certificate."""
        return self.certificates[0]

    @cached_property
    def authorities(self) -> tuple[x509.Certificate, ...]:
        """The certificates that sign others, nearest first."""
        return self.certificates[1:]

    def whose(self, certificate: x509.Certificate) -> str:
        """Return how a reason starts: nothing for the leaf, else the name of the CA."""
        return "" if certificate == self.leaf else f"its CA {title(certificate)} "


def in_time(path: Path) -> str | None:
    """Every certificate is valid now."""
    for certificate in path.authorities if path.undated else path.certificates:
        if path.moment > certificate.not_valid_after_utc:
            return f"{path.whose(certificate)}expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        if path.moment < certificate.not_valid_before_utc:
            begin = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M}"
            return f"{path.whose(certificate)}is not valid before {begin} UTC"
    return None


def strong(path: Path) -> str | None:
    """Keys that OpenSSL's security level 2 takes; weak hashes did not even verify."""
    for certificate in path.certificates:
        if fault := weakness(certificate.public_key()):
            return f"{path.whose(certificate)}has a key that {fault}"
    return None


def authorities_may_sign(path: Path) -> str | None:
    """Section 6.1.4 (k) and (n): basicConstraints and keyUsage of every issuer."""
    for certificate in path.authorities:
        if not authority_of(certificate)[0]:
            return f"{path.whose(certificate)}is not a CA certificate"
        usage = _usage(certificate)
        if usage is not None and not usage.key_cert_sign:
            return f"{path.whose(certificate)}may not sign certificates (keyUsage)"
    return None


def short_enough(path: Path) -> str | None:
    """Section 6.1.4 (l) and (m): self-issued certificates don't count."""
    below = 0
    for certificate in path.authorities:
        limit = authority_of(certificate)[1]
        if limit is not None and below > limit:
            return f"{path.whose(certificate)}allows only {limit} CA certificates below it"
        below += certificate.subject != certificate.issuer
    return None


def names_permitted(path: Path) -> str | None:
    """Section 6.1.3 (b) and (c), for the name forms that mail programs use."""
    for depth, certificate in enumerate(path.certificates):
        exempt = depth and certificate.subject == certificate.issuer
        found = (constraints_of(authority) for authority in path.certificates[depth + 1 :])
        fault = None if exempt else refusal(filter(None, found), names_of(certificate))
        if fault:
            return path.whose(certificate) + fault
    return None


def nothing_unknown(path: Path) -> str | None:
    """Section 4.2: a critical extension that is not understood forbids use."""
    for certificate in path.certificates:
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in _UNDERSTOOD:
                oid = extension.oid.dotted_string
                return f"{path.whose(certificate)}has the unknown critical extension {oid}"
    return None


def fit_for_purpose(path: Path) -> str | None:
    """Every certificate that names purposes names those wanted; OpenSSL and GnuTLS ask it of CAs too."""
    for certificate in path.certificates:
        allowed = purposes_of(certificate)
        for purpose in path.purposes:
            if purpose not in allowed:
                return f"{path.whose(certificate)}is not for TLS {purpose.value}s (extendedKeyUsage)"
    return None


def signs_handshakes(path: Path) -> str | None:
    """RFC 8446 section 4.4.2.2: the leaf's keyUsage allows signatures, which a CA's own does not."""
    usage = _usage(path.leaf)
    may = not path.purposes or usage is None or usage.digital_signature
    return None if may else "may not sign TLS handshakes (keyUsage)"


def host_fits(path: Path) -> str | None:
    """RFC 9525: the name or address wanted is among the alternative names; the CN does not count."""
    if path.host is None:
        return None
    names = names_of(path.leaf)
    if isinstance(path.host, str):
        fits = any(covers(pattern, path.host) for pattern in names.dns_names)
    else:
        fits = path.host in names.addresses
    held = ", ".join((*names.dns_names, *map(str, names.addresses))) or "no name"
    return None if fits else f"is not for {path.host}; it holds {held}"


def _usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


PATH_RULES: tuple[Callable[[Path], str | None], ...] = (
    in_time,
    strong,
    authorities_may_sign,
    short_enough,
    names_permitted,
    nothing_unknown,
    fit_for_purpose,
    signs_handshakes,
    host_fits,
)
