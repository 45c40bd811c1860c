"""What a renewal replaces: read and checked before, kept beside the new pair, put back when that fails."""

from dataclasses import dataclass, field

from ..errors import DataError, ExistsError, MissingInputError
from ..files import exists, read_private, remove, write_all
from ..inventory import Certificate as Row
from ..inventory import Inventory, State
from ..model import Artifact
from ..pki.describe import fingerprint
from ..pki.keyfile import decode_key
from ..pki.keys import PrivateKey, matches, public_id
from ..pki.pem import parse_certificates
from ..pki.revocation import Reason
from ..pki.values import Certificate
from .layout import Pair


@dataclass(frozen=True, slots=True)
class Former:
    """The content of a pair's files; None where there is no such file."""

    pair: Pair
    key: bytes | None = field(repr=False)
    certificate: bytes | None

    def copies(self) -> list[Artifact]:
        """Return the copies that stay beside the new pair until the next renewal."""
        both = ((self.pair.former_key, self.key), (self.pair.former_certificate, self.certificate))
        return [Artifact(path, content) for path, content in both if content is not None]

    def put_back(self) -> None:
        """Bring the pair back as it was.

        The certificate goes first: a run that is killed between the two leaves the new key, which recovery
        completes to the new pair; after the key it finds the former pair.
        """
        both = ((self.pair.certificate, self.certificate), (self.pair.key, self.key))
        write_all([Artifact(path, content) for path, content in both if content is not None])
        for path, content in both:
            if content is None:
                remove(path)


def read_former(pair: Pair) -> Former:
    """Read the pair as it is."""
    return Former(pair, _content(pair.key), _content(pair.certificate))


def certificate_in_place(former: Former) -> Certificate | None:
    """Return the pair's certificate, or None where none can be read."""
    try:
        found = parse_certificates(former.certificate or b"", former.pair.certificate)
    except DataError:
        return None
    return found.certificates[0]


def verify_ours(former: Former, row: Row, inventory: Inventory) -> None:
    """Check that a renewal of the row replaces nothing of anybody else's.

    Raises:
        ExistsError: a certificate that the inventory does not know, or a key that belongs to none of ours.
    """
    hint = f"look at it, or: smtpcreds cert issue {row.host} --force"
    certificate = certificate_in_place(former)
    if certificate and not inventory.find(fingerprint(certificate)):
        reason = "is not a certificate from this inventory; it was left alone"
        raise ExistsError(former.pair.certificate, reason, hint)
    if former.key is None:
        return
    key = decode_key(former.key, None, former.pair.key)
    if public_id(key) != row.key_id and not (certificate and matches(certificate, key)):
        reason = f"is not the key of the certificate of {row.host}; it was left alone"
        raise ExistsError(former.pair.key, reason, hint)


def key_to_keep(former: Former, row: Row, inventory: Inventory) -> PrivateKey:
    """Return the key that the renewed certificate is to have.

    Raises:
        MissingInputError: it is gone.
        DataError: it can't be read, or a certificate with it was revoked because it leaked.
    """
    path, hint = former.pair.key, f"make a new one: smtpcreds cert renew {row.host} --new-key"
    if former.key is None:
        raise MissingInputError(path, f"is gone, so {row.host} can't keep its key", hint)
    key = decode_key(former.key, None, path)
    if public_id(key) in _leaked(inventory, row.host):
        raise DataError(path, f"is the key of a certificate revoked for {Reason.KEY_COMPROMISE.value}", hint)
    return key


def key_that_waits(pair: Pair) -> PrivateKey:
    """Return the next key of a pair.

    Raises:
        MissingInputError: none waits.
        DataError: it can't be read.
    """
    if not exists(pair.next_key):
        raise MissingInputError(pair.next_key, "there is no next key", "smtpcreds tlsa next HOST")
    return decode_key(read_private(pair.next_key), None, pair.next_key)


def _leaked(inventory: Inventory, host: str) -> set[str | None]:
    revoked = inventory.listing(host=host, state=State.REVOKED)
    return {row.key_id for row in revoked if row.reason == Reason.KEY_COMPROMISE.value and row.key_id}


def _content(path: str) -> bytes | None:
    return read_private(path) if exists(path) else None
