"""Distinguished and host names, kept so short and plain that mail programs can match them."""

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from cryptography.x509 import (
    Certificate,
    DirectoryName,
    DNSName,
    ExtensionNotFound,
    GeneralName,
    IPAddress,
    Name,
    NameAttribute,
    NameConstraints,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
)
from cryptography.x509.oid import NameOID

from ..errors import NameRefusedError, quoted
from ..lazy import dataclass
from ..model import decimal
from ..names import covers, is_within

# Distinguished names, kept so short and plain that mail programs can match them.
#
# Sendmail looks certificates up in its access map by the text of OpenSSL's X509_NAME_oneline, where it writes
# some characters as ``+HEX`` and of which it keeps about 200 characters; a longer name never matches.

MAX_PART = 64
"""RFC 5280 appendix A.1: ub-common-name, ub-organization-name."""

MAX_DN = 200

_DEFAULT_ROOM = MAX_PART - len(" Root G99")
"""What is left for a name that the names of a root and of successors begin with."""

_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.SERIAL_NUMBER: "serialNumber",
}
_ENCODED = frozenset(b' \t()<>"+\\')


def parse_part(text: str, what: str) -> str:
    """Return a common or organisation name that every mail program can match.

    Args:
        text: what the user typed.
        what: ``CA name`` or ``organization``, for messages.
    """
    fault = part_fault(text)
    if fault:
        raise NameRefusedError(quoted(text), f"{what} {fault}")
    return text


def part_fault(text: str) -> str | None:
    """Return what is wrong with a common or organisation name, or None."""
    if not text or text != text.strip():
        return "is empty or has outer spaces"
    if not text.isascii():
        return "is not ASCII, which Sendmail can't match; transliterate it"
    if not text.isprintable() or "/" in text or "+" in text:
        return "has a slash, a plus sign or a control character, which Sendmail can't match"
    if len(text) > MAX_PART:
        return f"is {len(text)} octets long; X.509 allows {MAX_PART}"
    return None


def generation(name: str) -> tuple[str, int]:
    """Return the name of the first authority of a line, and which one of the line this is: ``G2`` is 2."""
    stem, mark, number = name.rpartition(" G")
    value = decimal(number) if mark else None
    return (name, 1) if value is None else (stem, value)


def ca_name(common_name: str, organization: str = "") -> Name:
    """Return the DN of a CA, organisation first."""
    parts = [NameAttribute(NameOID.COMMON_NAME, parse_part(common_name, "CA name"))]
    if organization:
        parts.insert(0, NameAttribute(NameOID.ORGANIZATION_NAME, parse_part(organization, "organization")))
    name = Name(parts)
    if len(sendmail_dn(name)) > MAX_DN:
        raise NameRefusedError(common_name, f"makes a DN that Sendmail writes with over {MAX_DN} characters")
    return name


def default_ca_name(domain: str) -> str:
    """Return what the CA of a domain is called; of a long one only the last labels, down to none."""
    name = f"{domain} Mail CA".strip()
    return name if len(name) <= _DEFAULT_ROOM else default_ca_name(domain.partition(".")[2])


def host_name(host: str) -> Name:
    """Return the DN of a host: its name as CN, or nothing where the CN can't hold it."""
    return Name([NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= MAX_PART else [])


def common_name(name: Name) -> str | None:
    """Return the last common name of a DN, or None."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else None


def organization_of(name: Name) -> str:
    """Return the first organisation of a DN, or nothing."""
    found = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def one_line(name: Name) -> str:
    """Return the DN as OpenSSL's X509_NAME_oneline writes it: ``/O=Example/CN=Lab Root``."""
    return "".join(f"/{_short_name(part)}={_escaped(part)}" for part in name)


def sendmail_dn(name: Name) -> str:
    """Return the DN as the keys of Sendmail's access map need it: ``/O=Example/CN=Lab+20Root``."""
    text = one_line(name).encode("ascii")
    return "".join(f"+{octet:02X}" if octet in _ENCODED else chr(octet) for octet in text)


def title(certificate: Certificate) -> str:
    """Return what a message calls a certificate: its CN, else its first DNS name, else its DN or serial."""
    subject = certificate.subject
    return (
        common_name(subject)
        or _first_dns_name(certificate)
        or subject.rfc4514_string()
        or _serial(certificate)
    )


def _serial(certificate: Certificate) -> str:
    return f"serial {certificate.serial_number:x}"


def _first_dns_name(certificate: Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return None
    return next(iter(names.get_values_for_type(DNSName)), None)


def _short_name(part: "NameAttribute[str | bytes]") -> str:
    return _SHORT_NAMES.get(part.oid, part.oid.dotted_string)


def _escaped(part: "NameAttribute[str | bytes]") -> str:
    octets = part.value if isinstance(part.value, bytes) else part.value.encode()
    return "".join(map(_escape, octets))


def _escape(octet: int) -> str:
    if octet in b"/+":
        return f"\\{chr(octet)}"
    return chr(octet) if 0x20 <= octet <= 0x7E else f"\\x{octet:02X}"


# Name constraints (RFC 5280 section 4.2.1.10): which names a CA may certify.
#
# A constraint binds only names of its own form: a CA held to DNS domains may certify any IP address. One that
# shall not needs excluded subtrees 0.0.0.0/0 and ::/0.

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Names:
    """All names of a certificate that constraints can bind."""

    dns_names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    subject: Name = Name([])  # immutable


def names_of(certificate: Certificate) -> Names:
    """Return the subject and the subject alternative names of a certificate."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return Names(subject=certificate.subject)
    return sort_names(alternatives, certificate.subject)


def sort_names(alternatives: Iterable[GeneralName], subject: Name) -> Names:
    """Return general names by their form; host names in lower case."""
    found = tuple(alternatives)
    hosts = tuple(name.value.lower() for name in found if type(name) is DNSName)
    addresses = tuple(name.value for name in found if type(name) is IPAddress)
    return Names(hosts, addresses, subject)  # type: ignore[arg-type]  # networks stand only in constraints


def constraints_of(certificate: Certificate) -> NameConstraints | None:
    """Return the name constraints of a CA certificate, or None."""
    try:
        return certificate.extensions.get_extension_for_class(NameConstraints).value
    except ExtensionNotFound:
        return None


def permitted_domains(certificate: Certificate) -> tuple[str, ...]:
    """Return the DNS domains that a CA is held to; empty where it is free."""
    constraints = constraints_of(certificate)
    return tuple(_bases(constraints.permitted_subtrees, DNSName)) if constraints else ()


EVERY_ADDRESS = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
NOWHERE = "none.invalid"
"""A host that never exists (RFC 6761 section 6.4): permitting it alone excludes every name of the form."""


def name_constraints(domains: Iterable[str], *, dns_only: bool) -> NameConstraints | None:
    """Return the constraints of a CA, or None where it is free.

    Args:
        domains: that it may certify; empty leaves host names free.
        dns_only: it may certify no addresses, and nothing of mailboxes or URIs.
    """
    permitted: list[GeneralName] = [DNSName(domain) for domain in domains]
    if not dns_only:
        return NameConstraints(permitted, None) if permitted else None
    permitted += [RFC822Name(f"nobody@{NOWHERE}"), UniformResourceIdentifier(NOWHERE)]
    return NameConstraints(permitted, [IPAddress(network) for network in EVERY_ADDRESS])


def is_dns_only(certificate: Certificate) -> bool:
    """Tell whether a CA may certify no address at all."""
    constraints = constraints_of(certificate)
    excluded = _bases(constraints.excluded_subtrees, IPAddress) if constraints else []
    return all(network in excluded for network in EVERY_ADDRESS)


def refusal(constraints: Iterable[NameConstraints], names: Names) -> str | None:
    """Return why a CA under these constraints may not certify these names, or None.

    Args:
        constraints: those of every CA certificate above, in any order; all must agree.
        names: what the certificate would hold.
    """
    return next(_refusals(constraints, names), None)


def _refusals(constraints: Iterable[NameConstraints], names: Names) -> Iterator[str]:
    for constraint in constraints:
        for form, values, inside in _forms(names):
            if not values:
                continue
            permitted = _bases(constraint.permitted_subtrees, form)
            excluded = _bases(constraint.excluded_subtrees, form)
            for value in values:
                if permitted and not any(inside(value, base) for base in permitted):
                    yield f"{_shown(value)} is outside what the CA may certify ({_list(permitted)})"
                if hit := [base for base in excluded if _hit(value, base, inside)]:
                    yield f"{_shown(value)} is in what the CA must not certify ({_list(hit)})"


def _forms(names: Names) -> tuple[tuple[type[GeneralName], tuple[Any, ...], Callable[[Any, Any], bool]], ...]:
    subjects = (names.subject,) if len(names.subject) else ()
    return (
        (DNSName, names.dns_names, _in_domain),
        (IPAddress, names.addresses, lambda address, network: address in network),
        (DirectoryName, subjects, lambda name, base: name.rdns[: len(base.rdns)] == base.rdns),
    )


def _bases(subtrees: Iterable[GeneralName] | None, form: type[GeneralName]) -> list[Any]:
    return [subtree.value for subtree in subtrees or () if type(subtree) is form]


def _in_domain(host: str, base: str) -> bool:
    """A leading dot, which RFC 5280 does not define here, means "below" to OpenSSL and GnuTLS."""
    domain = base.lower()
    if not domain or domain.startswith("."):
        return host.endswith(domain)
    return is_within(host.removeprefix("*."), domain)


def _hit(value: Any, base: Any, inside: Callable[[Any, Any], bool]) -> bool:
    """Exclusion is wider than inclusion: ``*.example.org`` also names an excluded ``a.example.org``."""
    return inside(value, base) or (isinstance(value, str) and covers(value, base))


def _shown(value: Any) -> str:
    return value.rfc4514_string() if isinstance(value, Name) else str(value)


def _list(bases: list[Any]) -> str:
    return ", ".join(map(_shown, bases))
