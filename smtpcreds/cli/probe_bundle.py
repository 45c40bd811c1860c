"""What a bundle gives a probe: who logs in, the certificate to present, and whom to trust."""

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..bundle.opening import Opened
    from ..config import Site
    from ..pki.constraints import Address
    from ..probe.asked import Identity
    from ..probe.trust import Trust
    from ..smtp.tls import ClientFiles


class Given(NamedTuple):
    """What the client host of a bundle would use."""

    identity: "Identity | None"
    client: "ClientFiles | None"
    trust: "Trust"


def from_bundle(site: "Site", source: str, passphrase: str | None, name: "str | Address") -> Given:
    """Verify a bundle and return what is in it.

    Args:
        site: of this host.
        source: absolute path.
        passphrase: where it comes from, if the bundle is encrypted.
        name: that the server's certificate must be for.

    Raises:
        DataError: it is damaged, or holds what no hub sends.
        WrongPassphraseError: the passphrase does not open it.
    """
    from ..bundle.opening import open_bundle
    from ..pki.crl import read_crl
    from ..probe.trust import Trust
    from .setup_client import bundle_content

    opened = open_bundle(site, bundle_content(source, source, passphrase), source)
    lists = tuple((found.name, read_crl(found.content, found.name, None)) for found in opened.lists)
    return Given(_identity(opened), _client(opened), Trust(opened.trust, lists, name, site.clock()))


def _identity(opened: "Opened") -> "Identity | None":
    """Return what the mail program would log in with."""
    from ..probe.asked import Identity
    from ..secret import Secret
    from ..smtp.sasl import Login

    for path in opened.program.SECRET_FILES:
        found = opened.program.parse(path, opened.files[path]) if path in opened.files else {}
        secret = found.get("secret")
        if isinstance(secret, Secret):
            return Identity(Login(str(found["authcid"]), secret), str(found.get("realm", "")))
    return None


def _client(opened: "Opened") -> "ClientFiles | None":
    """Return the pair in memory: OpenSSL takes paths alone, and the key is not to touch the disk."""
    from ..pki.pem import encode_certificates
    from ..smtp.tls import ClientFiles

    if opened.key is None:
        return None
    chain = encode_certificates((opened.certificate, *opened.above))
    return ClientFiles(_in_memory("certificate", chain), _in_memory("key", opened.key.reveal()))


def _in_memory(name: str, content: bytes) -> str:
    """Return a path of a file that ends with this process, and that others can't open."""
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    return f"/proc/self/fd/{descriptor}"
