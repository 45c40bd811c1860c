"""The authority on disk: is there one, what is its certificate, open it to sign."""

from collections.abc import Callable
from functools import cache

from ..config import Site
from ..errors import DamagedFileError, DeniedError, ExistsError, MissingInputError
from ..files import disk, exists, read_private
from ..pki.keyfile import decode_key, is_encrypted
from ..pki.keys import KEY_TYPES, PrivateKey, generate
from ..pki.pem import parse_certificate, parse_certificates
from ..pki.values import Certificate, Issuer
from ..secret import Secret
from .layout import CaFiles, ca_files

Passphrase = Callable[[], Secret | None]
"""Asked at most once, and only when the key is encrypted; None where there is no way to get it."""


def no_passphrase() -> None:
    """Answer that there is none."""


def once(passphrase: Passphrase) -> Passphrase:
    """Return the same question, which remembers its answer: a stream or a person gives it once."""
    return cache(passphrase)


def refuse_existing(site: Site) -> None:
    """Raise ExistsError where an authority, or any part of one, lies in the state directory."""
    files = ca_files(site)
    if not exists(files.directory):
        return
    if exists(files.certificate) or exists(files.key):
        raise ExistsError(files.directory, "holds an authority and is never overwritten", "smtpcreds ca show")
    raise ExistsError(
        files.directory, "is in the way of a new authority", f"see what it holds: ls -la {files.directory}"
    )


def has_authority(site: Site) -> bool:
    """Tell whether there is an authority."""
    return exists(ca_files(site).certificate)


def certificates(site: Site) -> tuple[Certificate, ...]:
    """Return the authority's certificate and those above it, nearest first; no key is touched.

    Raises:
        MissingInputError: there is no authority.
    """
    return path_of(require(site))


def path_of(files: CaFiles) -> tuple[Certificate, ...]:
    """Return the certificate of an authority whose files are known, and those above it, nearest first."""
    own = parse_certificate(read_private(files.certificate), files.certificate)
    if not exists(files.parents):
        return (own,)
    return (own, *parse_certificates(read_private(files.parents), files.parents).certificates)


def require(site: Site) -> CaFiles:
    """Return the files of the authority.

    Raises:
        MissingInputError: there is none; the hint makes one.
        DamagedFileError: one half of it is gone.
    """
    files = ca_files(site)
    if not exists(files.directory):
        raise MissingInputError(files.directory, "there is no authority yet", "smtpcreds ca init")
    for path in (files.certificate, files.key):
        if not exists(path):
            raise DamagedFileError(path, "is missing from the authority", "put it back from your backup")
    return files


def open_issuer(site: Site, passphrase: Passphrase, files: CaFiles | None = None) -> Issuer:
    """Return the authority, ready to sign.

    Args:
        site: where.
        passphrase: asked if the key is encrypted.
        files: of an authority that was replaced; None is the one that signs.

    Raises:
        MissingInputError: there is none.
        WrongPassphraseError: the passphrase does not open its key.
        DeniedError: the key is encrypted and there is no passphrase.
    """
    files = files or require(site)
    own, *parents = path_of(files)
    if disk().is_preview:
        read_private(files.key)
        return Issuer.trial(own, tuple(parents))
    return Issuer(own, open_key(files.key, passphrase), tuple(parents))


def open_key(path: str, passphrase: Passphrase) -> PrivateKey:
    """Return a private key of the authority; raises as :func:`open_issuer`."""
    return decrypted(read_private(path), passphrase, path)


def decrypted(pem: bytes, passphrase: Passphrase, path: str) -> PrivateKey:
    """Return the private key of a file's content; the passphrase is asked for if it is encrypted.

    Raises:
        WrongPassphraseError: it does not open the key.
        DeniedError: the key is encrypted and there is no passphrase.
        DamagedFileError, ForeignFormatError, DataError: as :func:`smtpcreds.pki.keyfile.decode_key`.
    """
    if disk().is_preview and is_encrypted(pem):
        return generate(KEY_TYPES["p256"])
    given = passphrase() if is_encrypted(pem) else None
    if given is None and is_encrypted(pem):
        hint = "pass --passphrase SOURCE, or set ca.passphrase"
        raise DeniedError(path, "is encrypted and no passphrase was given", hint)
    return decode_key(pem, given, path)
