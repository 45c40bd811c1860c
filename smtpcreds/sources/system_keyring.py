"""Secrets in the system's keyring: ``keyring:SERVICE/NAME``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self

from ..errors import InexpressibleError, MissingInputError, SmtpcredsError, UnavailableError, UsageError
from ..files import disk
from ..secret import Secret
from .octets import one_secret
from .protocol import Context

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_REFUSED_MODULES = {"keyring.backends.fail", "keyring.backends.null"}
_REFUSED_CLASSES = {"PlaintextKeyring"}
"""keyrings.alt has several of this name; their files hold the password in base64."""


class KeyringEntry(NamedTuple):
    """One entry of the keyring, through the backend that the ``keyring`` library selects."""

    service: str
    name: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse ``SERVICE/NAME``; the name may hold further slashes.

        Raises:
            UsageError: one of the two is empty.
        """
        service, _, name = argument.partition("/")
        if not service or not name:
            raise UsageError("keyring:", "takes service and name, as in keyring:smtpcreds/ca")
        return cls(service, name)

    @property
    def subject(self) -> str:
        """The source as it was written."""
        return f"keyring:{self.service}/{self.name}"

    def read(self, _context: Context) -> Secret:
        """Return the entry.

        Raises:
            UnavailableError: no keyring that protects what it stores, or it is locked or broken.
            MissingInputError: no such entry, or an empty one.
            DataError: as :func:`one_secret`.
        """
        with _plainly(self.subject):
            backends = _safe_backends(self.subject)
            found = (backend.get_password(self.service, self.name) for backend in backends)
            value = next((value for value in found if value is not None), None)
        if value is None:
            hint = f"store it with: keyring set {self.service} {self.name}"
            raise MissingInputError(self.subject, "there is no such entry in the keyring", hint)
        return one_secret(value.encode(), self.subject)


def store_in_keyring(service: str, name: str, secret: Secret) -> None:
    """Store the secret in the system's keyring, and read it back.

    Raises:
        InexpressibleError: not UTF-8, which keyrings can't hold.
        UnavailableError: no keyring that protects what it stores, or it did not take the secret.
    """
    entry = KeyringEntry(service, name)
    disk().note("store", entry.subject, note="the secret")
    if disk().is_preview:
        return
    try:
        value = secret.reveal().decode()
    except UnicodeDecodeError:
        raise InexpressibleError(entry.subject, "a keyring holds text, and the secret is not UTF-8") from None
    with _plainly(entry.subject):
        backend = _safe_backends(entry.subject)[0]
        backend.set_password(service, name, value)
        kept = backend.get_password(service, name)
    if kept != value:
        raise UnavailableError(entry.subject, f"{_title(backend)} did not keep the secret")


@contextmanager
def _plainly(subject: str) -> Iterator[None]:
    """Make one line of what backends raise: errors of D-Bus and files, a wrong master password or setting."""
    try:
        yield
    except SmtpcredsError:
        raise
    except Exception as error:  # noqa: BLE001  # backends are plug-ins, named in a file of the user's
        lines = str(error).splitlines() or [type(error).__name__]
        raise UnavailableError(subject, f"the keyring failed: {lines[0]}", _OTHERS) from None


_OTHERS = "use file:, credential: or cmd: where there is no keyring"


def _safe_backends(subject: str) -> "list[KeyringBackend]":
    """The selected backend, or the chained ones, without those that store nothing or store plain text."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    selected = keyring.get_keyring()
    chained: list[KeyringBackend] = selected.backends if isinstance(selected, ChainerBackend) else [selected]
    safe = [backend for backend in chained if not _is_refused(backend)]
    if not safe:
        names = ", ".join(_title(backend) for backend in chained) or "none"
        raise UnavailableError(subject, f"no keyring here protects its entries (found: {names})", _OTHERS)
    return safe


def _is_refused(backend: "KeyringBackend") -> bool:
    return any(
        kind.__module__ in _REFUSED_MODULES or kind.__name__ in _REFUSED_CLASSES
        for kind in type(backend).__mro__
    )


def _title(backend: "KeyringBackend") -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"
