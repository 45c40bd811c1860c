"""A bundle in the form of age (age-encryption.org/v1), which Debian's program ``age`` opens.

The cryptography library writes CMS for RSA recipients only and knows no passphrases there; PKCS #12 holds no
files. So the optional package ``pyrage`` does it: the age library of Rust.
"""

from collections.abc import Iterable
from typing import Any

from ..errors import DataError, PasswordRefusedError, UnavailableError, UsageError, WrongPassphraseError
from ..secret import Secret

_MAGIC = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_BY_PASSPHRASE = b"-> scrypt "
SUFFIX = ".age"
NAME = "age"


def is_sealed(data: bytes) -> bool:
    """Tell whether the data is a file of age."""
    return data.startswith((_MAGIC, _ARMOR))


def seal_by_passphrase(data: bytes, passphrase: Secret) -> bytes:
    """Encrypt the data; its key is derived by scrypt, which takes about a second.

    Raises:
        PasswordRefusedError: an empty passphrase, or one that nobody can type.
        UnavailableError: the package is not installed.
    """
    sealed: bytes = _age().passphrase.encrypt(data, _text(passphrase))
    return sealed


def seal_to(data: bytes, recipients: Iterable[str]) -> bytes:
    """Encrypt the data so that each of the recipients can open it; see :func:`check_recipients`."""
    sealed: bytes = _age().encrypt(data, _parsed(recipients))
    return sealed


def check_recipients(recipients: Iterable[str]) -> None:
    """Accept public keys: ``age1...``, or a line of SSH (``ssh-ed25519 ...``, ``ssh-rsa ...``).

    Raises:
        UsageError: something else.
        UnavailableError: the package is not installed.
    """
    _parsed(recipients)


def check_available() -> None:
    """Raise UnavailableError where the package is not installed."""
    _age()


def check_passphrase(passphrase: Secret) -> None:
    """Raise PasswordRefusedError for a passphrase that is empty, or that nobody can type."""
    _text(passphrase)


def unseal(data: bytes, passphrase: Secret, subject: str) -> bytes:
    """Decrypt a file that was encrypted under a passphrase.

    Raises:
        WrongPassphraseError: it does not open the file (or, what can't be told apart, that was altered).
        DataError: the file was encrypted for keys.
        UnavailableError: the package is not installed.
    """
    if not data.startswith(_ARMOR) and _BY_PASSPHRASE not in data[:200]:
        reason = "was encrypted for a key, not under a passphrase"
        raise DataError(subject, reason, f"age -d -i KEYFILE {subject} | smtpcreds setup --client -")
    age = _age()
    try:
        plain: bytes = age.passphrase.decrypt(data, _text(passphrase))
    except age.DecryptError:
        raise WrongPassphraseError(subject, "the passphrase does not open it, or it was altered") from None
    return plain


def _text(passphrase: Secret) -> str:
    try:
        text = passphrase.reveal().decode()
    except UnicodeDecodeError:
        raise PasswordRefusedError(NAME, "the passphrase is not UTF-8, so age can't be given it") from None
    if not text or not text.isprintable():
        reason = "the passphrase has characters that can't be typed" if text else "the passphrase is empty"
        raise PasswordRefusedError(NAME, reason)
    return text


def _parsed(recipients: Iterable[str]) -> list[Any]:
    age = _age()
    found = []
    for text in recipients:
        kind = age.ssh if text.startswith("ssh-") else age.x25519
        try:
            found.append(kind.Recipient.from_str(text))
        except age.RecipientError:
            reason = f"takes age1... or ssh-ed25519 ..., not {text[:60]!r}"
            raise UsageError("--recipient", reason) from None
    return found


def _age() -> Any:
    try:
        import pyrage
    except ImportError:
        hint = "pip install 'smtpcreds[age]', or let Debian's age do it: smtpcreds bundle HOST -o - | age -p"
        raise UnavailableError(NAME, "the Python package pyrage is not installed", hint) from None
    return pyrage
