"""A pair on disk: what stands there, what a renewal replaces, and putting key and certificate in place."""

from collections.abc import Iterable
from dataclasses import field
from datetime import datetime

from ..errors import UNUSABLE, DataError, ExistsError, MissingInputError
from ..files import exists, read_certificate, read_private, remove, write_all
from ..inventory.inventory import Inventory
from ..inventory.rows import CertificateRow as Row
from ..inventory.rows import State
from ..lazy import dataclass
from ..model import Artifact
from ..pki.describe import fingerprint
from ..pki.encoding import parse_certificates
from ..pki.keys import PrivateKey, decode_key, matches, public_id
from ..pki.pair_rules import has_expired, key_fault
from ..pki.revocation import Reason
from ..pki.values import Certificate
from ..shell import quote
from .directory import certificate_file
from .layout import Pair

# What a renewal replaces: read and checked before, kept beside the new pair, put back when that fails.


@dataclass(frozen=True)
class PreviousPair:
    """The content of a pair's files; None where there is no such file."""

    pair: Pair
    key: bytes | None = field(repr=False)
    certificate: bytes | None

    def copies(self) -> list[Artifact]:
        """Return the copies that stay beside the new pair until the next renewal."""
        both = ((self.pair.previous_key, self.key), (self.pair.previous_certificate, self.certificate))
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


def read_previous_pair(pair: Pair) -> PreviousPair:
    """Read the pair as it is."""
    key, certificate = (exists(path) for path in (pair.key, pair.certificate))
    return PreviousPair(
        pair,
        read_private(pair.key) if key else None,
        read_certificate(pair.certificate) if certificate else None,
    )


def certificate_in_place(previous: PreviousPair) -> Certificate | None:
    """Return the pair's certificate, or None where none can be read."""
    try:
        found = parse_certificates(previous.certificate or b"", previous.pair.certificate)
    except DataError:
        return None
    return found.certificates[0]


def verify_ours(previous: PreviousPair, row: Row, inventory: Inventory) -> None:
    """Check that a renewal of the row replaces nothing of anybody else's."""
    hint = f"look at it, or: smtpcreds cert issue {quote(row.host)} --force"
    certificate = certificate_in_place(previous)
    if certificate and not inventory.find(fingerprint(certificate)):
        reason = "is not a certificate from this inventory; it was not changed"
        raise ExistsError(previous.pair.certificate, reason, hint)
    if previous.key is None:
        return
    key = decode_key(previous.key, None, previous.pair.key)
    if public_id(key) != row.key_id and not (certificate and matches(certificate, key)):
        reason = f"is not the key of the certificate of {row.host}; it was not changed"
        raise ExistsError(previous.pair.key, reason, hint)


def key_to_keep(previous: PreviousPair, row: Row, inventory: Inventory) -> PrivateKey:
    """Return the key that the renewed certificate is to have."""
    path, hint = previous.pair.key, f"make a new one: smtpcreds cert renew {quote(row.host)} --new-key"
    if previous.key is None:
        raise MissingInputError(path, f"is gone, so {row.host} can't keep its key", hint)
    key = decode_key(previous.key, None, path)
    if public_id(key) in _leaked(inventory, row.host):
        raise DataError(path, f"is the key of a certificate revoked for {Reason.KEY_COMPROMISE.value}", hint)
    return key


def key_that_waits(pair: Pair) -> PrivateKey:
    """Return the next key of a pair."""
    if not exists(pair.next_key):
        raise MissingInputError(pair.next_key, "there is no next key", "smtpcreds tlsa next HOST")
    return decode_key(read_private(pair.next_key), None, pair.next_key)


def _leaked(inventory: Inventory, host: str) -> set[str | None]:
    revoked = inventory.listing(host=host, state=State.REVOKED)
    return {row.key_id for row in revoked if row.reason == Reason.KEY_COMPROMISE.value and row.key_id}


# A certificate joins the key that waits for it.


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
    except UNUSABLE:
        return None


# What already lies where a pair would be written, and whether it may go.

REPLACE = "or --force to replace it"


def refuse_existing_pair(pair: Pair, host: str, now: datetime, inventory: Inventory | None) -> None:
    """Raise ExistsError unless the place is free, or holds a certificate that is of no more use.

    Args:
        pair: the place.
        host: whose certificate is to be written.
        now: an expired certificate may go.
        inventory: a revoked certificate may go; None on a client host, whose hub renews it.
    """
    if found := pair_in_use(pair, now, inventory):
        until = f"{found.not_valid_after_utc:%Y-%m-%d}"
        hint = (
            "--force to replace it" if inventory is None else f"smtpcreds cert renew {quote(host)}, {REPLACE}"
        )
        raise ExistsError(
            host, f"has a certificate until {until}, which was not changed ({pair.certificate})", hint
        )


def pair_in_use(pair: Pair, now: datetime, inventory: Inventory | None) -> Certificate | None:
    """Return the certificate of a pair that is whole, has not expired and is not revoked, or None."""
    found = _valid_pair(pair, now)
    return None if found is None or _revoked(found, inventory) else found


def _valid_pair(pair: Pair, now: datetime) -> Certificate | None:
    key, certificate = exists(pair.key), exists(pair.certificate)
    if not key and not certificate:
        return None
    if not certificate:
        reason = "is a key without its certificate; perhaps it waits for the answer of another CA"
        raise ExistsError(pair.key, reason, f"to complete it: smtpcreds cert install FILE, {REPLACE}")
    if not key:
        raise ExistsError(
            pair.certificate, "is a certificate without its key", f"put the key back, {REPLACE}"
        )
    found = _pair(pair)
    return None if has_expired(found, now) else found


def _pair(pair: Pair) -> Certificate:
    try:
        found = parse_certificates(read_certificate(pair.certificate), pair.certificate).certificates[0]
        key = decode_key(read_private(pair.key), None, pair.key)
    except DataError as error:
        raise ExistsError(
            error.subject, f"{error.reason}; it was not changed", f"look at it, {REPLACE}"
        ) from None
    if fault := key_fault(found, key, pair.certificate):
        raise ExistsError(pair.key, fault, f"put the right one back, {REPLACE}")
    return found


def _revoked(found: Certificate, inventory: Inventory | None) -> bool:
    rows = inventory.find(fingerprint(found)) if inventory else []
    return any(row.state is State.REVOKED for row in rows)
