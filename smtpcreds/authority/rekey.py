"""Another passphrase for every key of the authority: all of them change in one step, or none."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ..config import Site
from ..errors import DamagedFileError
from ..files import read_private, replace_directory, tree
from ..model import Artifact, Plan, Step
from ..pki.dn import title
from ..pki.keyfile import decode_key, encode_key
from ..pki.keys import PrivateKey, public_id
from ..secret import Secret
from .ca import Passphrase, certificates, decrypted, once, require
from .layout import KEY, ROOT_KEY
from .ledger import at_work, record


def plan_passphrase(
    site: Site, passphrase: Passphrase, new: Callable[[], Secret | None]
) -> Plan[tuple[str, ...]]:
    """Plan to encrypt every key of the authority and its elders anew; applying it returns their paths.

    Args:
        site: where.
        passphrase: opens all of them; asked only if one is encrypted.
        new: asked after the old one was found right; None leaves the keys unencrypted.

    Raises:
        MissingInputError: there is no authority.
    """
    require(site)
    paths = [f"{site.ca_directory}/{file.path}" for file in tree(site.ca_directory) if _is_key(file)]
    return Plan(
        tuple(Step("encrypt anew", path, 0o600) for path in paths),
        lambda: _change(site, once(passphrase), new),
    )


def _change(site: Site, passphrase: Passphrase, new: Callable[[], Secret | None]) -> tuple[str, ...]:
    path = require(site).key
    opened = _Opened(passphrase)
    opened.key(read_private(path), path)
    secret = new()
    with at_work(site) as inventory:
        files = [_again(site, file, opened, secret) for file in tree(site.ca_directory)]
        replace_directory(site.ca_directory, files)
        what = "ca passphrase" if secret else "ca passphrase removed"
        record(site, inventory, what, title(certificates(site)[0]))
        return tuple(f"{site.ca_directory}/{file.path}" for file in files if _is_key(file))


@dataclass(frozen=True, slots=True)
class _Opened:
    """Keys by their encrypted text: opening one takes half a second."""

    passphrase: Passphrase
    keys: dict[bytes, PrivateKey] = field(default_factory=dict, repr=False)

    def key(self, pem: bytes, path: str) -> PrivateKey:
        if pem not in self.keys:
            self.keys[pem] = decrypted(pem, self.passphrase, path)
        return self.keys[pem]


def _again(site: Site, file: Artifact, opened: _Opened, secret: Secret | None) -> Artifact:
    """Return a key file under the new passphrase, proven to open with it, and any other file as it is."""
    if not _is_key(file):
        return file
    path = f"{site.ca_directory}/{file.path}"
    key = opened.key(file.content, path)
    content = encode_key(key, secret)
    if public_id(decode_key(content, secret, path)) != public_id(key):
        raise DamagedFileError(path, "did not survive its new encryption; nothing was changed")
    return Artifact(file.path, content)


def _is_key(file: Artifact) -> bool:
    return os.path.basename(file.path) in (KEY, ROOT_KEY)
