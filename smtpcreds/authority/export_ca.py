"""Copies out of the authority: certificates for clients, keys for a safe place."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..config import Site
from ..errors import DamagedFileError, ExistsError, MissingInputError
from ..files import check_parents, exists, is_directory, read_private, remove, write_all
from ..model import Artifact, Plan, Step
from ..pki.dn import title
from ..pki.keyfile import decode_key, encode_key, is_encrypted
from ..pki.keys import PrivateKey, matches
from ..pki.pem import encode_certificates
from ..pki.values import Certificate
from ..secret import Secret
from .ca import Passphrase, certificates, decrypted, once, require
from .elders import trusted
from .ledger import at_work, record

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


def bundle(site: Site) -> bytes:
    """Return all CA certificates that clients need, as PEM.

    Raises:
        MissingInputError: there is no authority.
    """
    return encode_certificates(trusted(site))


def plan_bundle(site: Site, path: str) -> Plan[str]:
    """Plan to write the bundle to a new file.

    Raises:
        ExistsError: there is something at that path.
        MissingInputError: there is no authority, or no such directory.
    """
    content = bundle(site)
    _refuse(path)

    def apply() -> str:
        write_all([Artifact(path, content, PUBLIC_MODE)])
        return path

    return Plan((Step("write", path, PUBLIC_MODE),), apply)


def plan_key_copy(site: Site, copy: KeyCopy, passphrase: Passphrase) -> Plan[Exported]:
    """Plan to copy a key, and perhaps to take it off this host.

    Args:
        site: whose authority.
        copy: which key, and where to.
        passphrase: opens the key, which proves the copy.

    Raises:
        MissingInputError: there is no such key here.
        ExistsError: there is something at the target.
        UnsafePathError: others could change the target's directory.
    """
    source, _ = _key(site, copy)
    _refuse(copy.path)
    steps = [Step("write", copy.path, 0o600)]
    steps += [Step("remove", source)] if copy.remove else []
    return Plan(tuple(steps), lambda: _copy(site, copy, once(passphrase)))


def _copy(site: Site, copy: KeyCopy, passphrase: Passphrase) -> Exported:
    source, certificate = _key(site, copy)
    content = read_private(source)
    key = decrypted(content, passphrase, source)
    _prove(certificate, key, source)
    if copy.new:
        secret = copy.new()
        content = encode_key(key, secret)
        _prove(certificate, decode_key(content, secret, copy.path), copy.path)
    with at_work(site) as inventory:
        _refuse(copy.path)
        write_all([Artifact(copy.path, content)])
        if read_private(copy.path) != content:
            raise DamagedFileError(copy.path, "does not hold what was written; nothing was removed")
        removed = copy.remove and remove(source)
        what = "ca root key" if copy.root else "ca key"
        detail = f"to {copy.path}{', removed from this host' if removed else ''}"
        record(site, inventory, f"{what} exported", title(certificate), detail)
    return Exported(copy.path, is_encrypted(content), source if removed else None)


def _key(site: Site, copy: KeyCopy) -> tuple[str, Certificate]:
    """Return the path of the key on this host, and its certificate."""
    files, path = require(site), certificates(site)
    if not copy.root:
        return files.key, path[0]
    if len(path) == 1:
        raise MissingInputError(
            files.key, "is the root's key itself, which signs and can't go offline", "export it with --key"
        )
    if not exists(files.root_key):
        raise MissingInputError(files.root_key, "is not there; the root key is offline already")
    return files.root_key, path[-1]


def _prove(certificate: Certificate, key: PrivateKey, path: str) -> None:
    if not matches(certificate, key):
        raise DamagedFileError(path, f"is not the key of {title(certificate)}; nothing was removed")


def _refuse(path: str) -> None:
    directory = os.path.dirname(path)
    if not is_directory(directory):
        raise MissingInputError(directory, "there is no such directory")
    if exists(path):
        raise ExistsError(path, "is there and is never overwritten", "name another file")
    check_parents(path)
