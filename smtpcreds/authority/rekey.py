"""Another passphrase for every key of the authority: all of them change in one step, or none."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import DamagedFileError
from ..files import read_private, replace_directory, tree
from ..model import Artifact
from ..pki.dn import title
from ..pki.keyfile import decode_key
from ..pki.keys import PrivateKey, public_id
from ..secret import Secret
from ..transaction import Transaction
from .ca import Passphrase, decrypted, encrypted
from .layout import KEY, ROOT_KEY


def change_passphrase(work: Transaction, new: Callable[[], Secret | None]) -> tuple[str, ...]:
    """Encrypt every key of the authority and its elders anew; return their paths.

    Args:
        work: where; its passphrase opens all of them, and is asked for only if one is encrypted.
        new: asked after the old one was found right; None leaves the keys unencrypted.

    Raises:
        MissingInputError: there is no authority.
    """
    name, directory = title(work.ca.certificate), work.ca.files.directory
    opened = _Opened(work.passphrase)
    opened.key(read_private(work.ca.files.key), work.ca.files.key)
    secret = work.ask(new)
    files = [_again(directory, file, opened, secret) for file in tree(directory)]
    work.begin()
    replace_directory(directory, files)
    work.renewed_authority()
    work.record("ca passphrase" if secret else "ca passphrase removed", name)
    return tuple(f"{directory}/{file.path}" for file in files if _is_key(file))


@dataclass(frozen=True, slots=True)
class _Opened:
    """Keys by their encrypted text: opening one takes half a second."""

    passphrase: Passphrase
    keys: dict[bytes, PrivateKey] = field(default_factory=dict, repr=False)

    def key(self, pem: bytes, path: str) -> PrivateKey:
        if pem not in self.keys:
            self.keys[pem] = decrypted(pem, self.passphrase, path)
        return self.keys[pem]


def _again(directory: str, file: Artifact, opened: _Opened, secret: Secret | None) -> Artifact:
    """Return a key file under the new passphrase, proven to open with it, and any other file as it is."""
    if not _is_key(file):
        return file
    path = f"{directory}/{file.path}"
    key = opened.key(file.content, path)
    content = encrypted(key, secret)
    if public_id(decode_key(content, secret, path)) != public_id(key):
        raise DamagedFileError(path, "did not survive its new encryption; nothing was changed")
    return Artifact(file.path, content)


def _is_key(file: Artifact) -> bool:
    return os.path.basename(file.path) in (KEY, ROOT_KEY)
