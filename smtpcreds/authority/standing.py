"""What already lies where a pair would be written, and whether it may go."""

from datetime import datetime

from ..errors import DataError, ExistsError
from ..files import exists, read_private
from ..inventory import Inventory, State
from ..pki.describe import fingerprint
from ..pki.keyfile import decode_key
from ..pki.keys import matches
from ..pki.pem import parse_certificates
from ..pki.values import Certificate
from .layout import Pair

REPLACE = "or --force to replace it"


def refuse_standing(pair: Pair, host: str, now: datetime, inventory: Inventory | None) -> None:
    """Raise ExistsError unless the place is free, or holds a certificate that is of no more use.

    Args:
        pair: the place.
        host: whose certificate is to be written.
        now: an expired certificate may go.
        inventory: a revoked certificate may go; None where there is no inventory to ask.
    """
    found = valid_pair(pair, now)
    if found and not _revoked(found, inventory):
        until = f"{found.not_valid_after_utc:%Y-%m-%d}"
        hint = f"smtpcreds cert renew {host}, {REPLACE}"
        raise ExistsError(
            host, f"has a certificate until {until}, which was left alone ({pair.certificate})", hint
        )


def valid_pair(pair: Pair, now: datetime) -> Certificate | None:
    """Return the certificate of a pair that is whole and has not expired, or None.

    Raises:
        ExistsError: half a pair, or one that does not belong together.
    """
    key, certificate = exists(pair.key), exists(pair.certificate)
    if not key and not certificate:
        return None
    if not certificate:
        reason = "is a key without its certificate; perhaps it waits for the answer of another CA"
        raise ExistsError(pair.key, reason, f"smtpcreds cert install FILE to complete it, {REPLACE}")
    if not key:
        raise ExistsError(
            pair.certificate, "is a certificate without its key", f"put the key back, {REPLACE}"
        )
    found = _pair(pair)
    return found if found.not_valid_after_utc > now else None


def _pair(pair: Pair) -> Certificate:
    try:
        found = parse_certificates(read_private(pair.certificate), pair.certificate).certificates[0]
        key = decode_key(read_private(pair.key), None, pair.key)
    except DataError as error:
        raise ExistsError(
            error.subject, f"{error.reason}; it was left alone", f"look at it, {REPLACE}"
        ) from None
    if not matches(found, key):
        raise ExistsError(
            pair.certificate, f"does not belong to {pair.key}", f"put the right one back, {REPLACE}"
        )
    return found


def _revoked(found: Certificate, inventory: Inventory | None) -> bool:
    rows = inventory.find(fingerprint(found)) if inventory else []
    return any(row.state is State.REVOKED for row in rows)
