"""What is linted: a certificate that nobody can use, beside what it was made from."""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from cryptography import x509

from .constraints import Names, sort_names
from .profiles import Profile
from .values import Issuer, Request

_T = TypeVar("_T", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Draft:
    """A certificate signed with a throw-away key, and what it was made from; ``issuer`` None for a root."""

    certificate: x509.Certificate
    request: Request
    profile: Profile
    issuer: Issuer | None = None

    @cached_property
    def extensions(self) -> dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]:
        """The extensions by their object identifier."""
        return {extension.oid: extension for extension in self.certificate.extensions}

    @cached_property
    def names(self) -> Names:
        """The subject and the alternative names."""
        alternatives = self.value(x509.SubjectAlternativeName)
        return sort_names(alternatives or (), self.certificate.subject)

    @cached_property
    def public_key(self) -> object:
        """The certified key."""
        return self.certificate.public_key()

    def value(self, kind: type[_T]) -> _T | None:
        """Return the value of an extension, or None."""
        found = self.extensions.get(kind.oid)
        return found.value if found else None  # type: ignore[return-value]  # the class is that of the oid

    def is_critical(self, kind: type[x509.ExtensionType]) -> bool:
        """Tell whether the extension is there and critical."""
        found = self.extensions.get(kind.oid)
        return bool(found and found.critical)
