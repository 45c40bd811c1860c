"""Name constraints (RFC 5280 section 4.2.1.10): which names a CA may certify.

A constraint binds only names of its own form: a CA held to DNS domains may certify any IP address. One that
shall not needs excluded subtrees 0.0.0.0/0 and ::/0, which CAs made elsewhere can have.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from cryptography.x509 import (
    Certificate,
    DirectoryName,
    DNSName,
    ExtensionNotFound,
    GeneralName,
    IPAddress,
    Name,
    NameConstraints,
    SubjectAlternativeName,
)

from ..names import covers, is_within

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Names:
    """All names of a certificate that constraints can bind."""

    dns_names: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()
    subject: Name = Name([])  # noqa: RUF009  # immutable


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
                    yield f"{_shown(value)} lies outside what the CA may certify ({_list(permitted)})"
                if hit := [base for base in excluded if _hit(value, base, inside)]:
                    yield f"{_shown(value)} lies in what the CA must not certify ({_list(hit)})"


def _forms(names: Names) -> tuple[tuple[type[GeneralName], tuple[Any, ...], Callable[[Any, Any], bool]], ...]:
    subjects = (names.subject,) if len(names.subject) else ()
    return (
        (DNSName, names.dns_names, _in_domain),
        (IPAddress, names.addresses, lambda address, network: address in network),
        (DirectoryName, subjects, lambda name, base: name.rdns[: len(base.rdns)] == base.rdns),
    )


def _bases(subtrees: Iterable[GeneralName] | None, form: type[GeneralName]) -> list[Any]:
    return [subtree.value for subtree in subtrees or () if isinstance(subtree, form)]


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
