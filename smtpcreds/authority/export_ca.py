"""Copies out of the authority: certificates for clients, keys for a safe place."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import DamagedFileError, ExistsError, MissingInputError
from ..files import check_parents, exists, is_directory, read_private, remove, sweep_target, write_all
from ..model import Artifact
from ..pki.dn import title
from ..pki.keyfile import decode_key, is_encrypted
from ..pki.keys import PrivateKey, matches
from ..pki.pem import encode_certificates
from ..pki.values import Certificate
from ..secret import Secret
from ..transaction import Transaction
from .ca import CA, decrypted, encrypted

PUBLIC_MODE = 0o644
"""Of a CA bundle on its way to client hosts; it holds no secret."""


@dataclass(frozen=True, slots=True)
class KeyCopy:
    """Which key goes where.

    Attributes:
        root: the root's above an intermediate, instead of the one that signs.
        path: absolute; must not exist.
        new: asked for another passphrase than the key has; None copies the key as it is.
        remove: the root key leaves this host once the copy is proven.
    """

    root: bool
    path: str
    new: Callable[[], Secret | None] | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """A key that was copied."""

    path: str
    encrypted: bool
    removed: str | None


def bundle(ca: CA) -> bytes:
    """Return all CA certificates that clients need, as PEM.

    Raises:
        MissingInputError: there is no authority.
    """
    return encode_certificates(ca.trusted)


def export_bundle(work: Transaction, path: str) -> str:
    """Write the bundle to a new file; return its path.

    Raises:
        ExistsError: there is something at that path.
        MissingInputError: there is no authority, or no such directory.
    """
    content = bundle(work.ca)
    _refuse(path)
    sweep_target(path)
    write_all([Artifact(path, content, PUBLIC_MODE)])
    return path


def export_key(work: Transaction, copy: KeyCopy) -> Exported:
    """Copy a key, proven by its certificate, and perhaps take it off this host.

    Args:
        work: whose authority; its passphrase opens the key.
        copy: which key, and where to.

    Raises:
        MissingInputError: there is no such key here.
        ExistsError: there is something at the target.
        UnsafePathError: others could change the target's directory.
    """
    source, certificate = _key(work.ca, copy)
    _refuse(copy.path)
    content = read_private(source)
    is_trial = work.is_preview and is_encrypted(content)
    key = decrypted(content, work.passphrase, source)
    _prove(certificate, key, source, is_trial=is_trial)
    if copy.new:
        secret = work.ask(copy.new)
        content = encrypted(key, secret)
        _prove(certificate, decode_key(content, secret, copy.path), copy.path, is_trial=is_trial)
    work.begin()
    sweep_target(copy.path)
    write_all([Artifact(copy.path, content)])
    if read_private(copy.path) != content:
        raise DamagedFileError(copy.path, "does not hold what was written; nothing was removed")
    removed = copy.remove and remove(source)
    what = "ca root key" if copy.root else "ca key"
    detail = f"to {copy.path}{', removed from this host' if removed else ''}"
    work.record(f"{what} exported", title(certificate), detail)
    return Exported(copy.path, is_encrypted(content), source if removed else None)


def _key(ca: CA, copy: KeyCopy) -> tuple[str, Certificate]:
    """Return the path of the key on this host, and its certificate."""
    files, path = ca.files, ca.chain
    if not copy.root:
        return files.key, path[0]
    if len(path) == 1:
        raise MissingInputError(
            files.key, "is the root's key itself, which signs and can't go offline", "export it with --key"
        )
    if not exists(files.root_key):
        raise MissingInputError(files.root_key, "is not there; the root key is offline already")
    return files.root_key, path[-1]


def _prove(certificate: Certificate, key: PrivateKey, path: str, *, is_trial: bool) -> None:
    if not is_trial and not matches(certificate, key):
        raise DamagedFileError(path, f"is not the key of {title(certificate)}; nothing was removed")


def _refuse(path: str) -> None:
    directory = os.path.dirname(path)
    if not is_directory(directory):
        raise MissingInputError(directory, "there is no such directory")
    if exists(path):
        raise ExistsError(path, "is there and is never overwritten", "name another file")
    check_parents(path)
