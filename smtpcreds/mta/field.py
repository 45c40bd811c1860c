"""What a field of a file can hold. The rest is refused by name, and never quoted by guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import InexpressibleError
from ..model import Credential
from ..secret import Secret
from ..shell import quote

NEVER = {b"\n": "a line feed", b"\r": "a carriage return", b"\0": "a NUL"}
"""No file of lines holds them: CR ends a line in copies that passed through other systems."""
BLANKS = {b" ": "a space", b"\t": "a TAB"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of one format; the mappings go from octets to what messages call them.

    Attributes:
        form: what messages call the format.
        longest: octets.
        inside: refused wherever they stand.
        first: refused at the beginning.
        last: refused at the end.
        whole: refused as the whole value.
    """

    form: str
    longest: int
    inside: Mapping[bytes, str] = field(default_factory=dict)
    first: Mapping[bytes, str] = field(default_factory=dict)
    last: Mapping[bytes, str] = field(default_factory=dict)
    whole: Mapping[bytes, str] = field(default_factory=dict)

    def login(self, credential: Credential) -> bytes:
        """Return the authcid as the relay must be given it."""
        login = credential.login.encode()
        if fault := self._fault(login):
            raise self._refusal(credential, f"the user name {fault}", None)
        return login

    def secret(self, credential: Credential) -> Secret:
        """Return the secret."""
        if fault := self._fault(credential.secret.reveal()):
            account = str(credential.account)
            raise self._refusal(credential, f"the secret {fault}", f"smtpcreds sasl passwd {quote(account)}")
        return credential.secret

    def text(self, what: str, value: str) -> bytes:
        """Return another value."""
        octets = value.encode(errors="surrogateescape")
        if fault := self._fault(octets):
            raise InexpressibleError(value, f"{what} {fault}, which {self.form} can't express")
        return octets

    def _refusal(self, credential: Credential, what: str, hint: str | None) -> InexpressibleError:
        return InexpressibleError(str(credential.account), f"{what}, which {self.form} can't express", hint)

    def _fault(self, value: bytes) -> str | None:
        if not value:
            return "is empty"
        if len(value) > self.longest:
            return f"is over {self.longest} octets"
        return next(
            (
                f"{verb} {name}"
                for verb, found, names in (
                    ("contains", bytes.__contains__, {**self.inside, **NEVER}),
                    ("begins with", bytes.startswith, self.first),
                    ("ends in", bytes.endswith, self.last),
                    ("is", bytes.__eq__, self.whole),
                )
                for octets, name in names.items()
                if found(value, octets)
            ),
            None,
        )
