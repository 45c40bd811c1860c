"""A certificate joins the key that waits for it."""

from collections.abc import Iterable

from ..errors import SmtpcredsError
from ..files import exists, read_private, remove, write_all
from ..model import Artifact
from ..pki.keyfile import decode_key
from ..pki.keys import PrivateKey, public_id
from ..pki.values import Certificate
from .install import certificate_file
from .layout import Pair


def put_in_place(pair: Pair, certificate: Certificate, authorities: Iterable[Certificate]) -> bool:
    """Write the certificate of a pair, and let a key that waited take the place of the old one.

    Args:
        pair: where.
        certificate: the host's.
        authorities: the CA certificates above it.

    Returns:
        False, with nothing written, where no key of the pair belongs to the certificate.
    """
    wanted = public_id(certificate)
    content = certificate_file(certificate, authorities)
    if key_id(pair.key) == wanted:
        write_all([Artifact(pair.certificate, content)])
    elif key_id(pair.next_key) == wanted:
        write_all([Artifact(pair.key, read_private(pair.next_key)), Artifact(pair.certificate, content)])
    else:
        return False
    if key_id(pair.next_key) == wanted:
        remove(pair.next_key)
    return True


def key_id(path: str) -> str | None:
    """Return the SHA-256 of a key file's public key in hex, or None where it can't be used."""
    key = usable_key(path)
    return public_id(key) if key else None


def usable_key(path: str) -> PrivateKey | None:
    """Return the unencrypted private key of a file, or None where there is none that can be used."""
    if not exists(path):
        return None
    try:
        return decode_key(read_private(path), None, path)
    except SmtpcredsError:
        return None
