"""The certificate of a client host, and its key where the hub has it for a moment or for good."""

from dataclasses import dataclass, field
from enum import Enum

from ..authority.ca import CA
from ..authority.install import certificate_file
from ..authority.layout import Pair
from ..authority.sign_request import Granted
from ..config import Site
from ..errors import DataError, ExistsError, MissingInputError
from ..files import read_private
from ..inventory import Certificate as Row
from ..inventory import Inventory, serial_text
from ..pki.chains import climb
from ..pki.keyfile import decode_key, encode_key
from ..pki.keys import PrivateKey, public_id
from ..pki.pem import parse_certificate
from ..pki.values import Certificate
from ..secret import Secret


@dataclass(frozen=True, slots=True)
class Papers:
    """What a host shows to others.

    Attributes:
        certificate: itself.
        pem: it and those between it and the root.
        key: PEM, unencrypted; None where the host has it.
    """

    certificate: Certificate
    pem: bytes
    key: Secret | None = field(default=None, repr=False)

    @property
    def serial(self) -> str:
        """The serial number as the inventory has it."""
        return serial_text(self.certificate.serial_number)


class Origin(Enum):
    """Where papers come from."""

    NEW = "issue"
    """Signed now, for a key that is made now and kept nowhere but in the bundle."""
    REQUEST = "sign"
    """Signed now, for the key of the host's request."""
    PAIR = "copy"
    """A pair that lies on the hub."""
    CERTIFICATE = "look up"
    """A certificate that was issued, for a key that the host has."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the papers of one bundle come from.

    Attributes:
        origin: see there.
        row: the certificate that the host has; None where it has none.
        pair: where it lies, of a PAIR.
    """

    origin: Origin
    row: Row | None = None
    pair: Pair | None = None

    @property
    def is_signed(self) -> bool:
        """Tell whether the authority has to sign."""
        return self.origin in {Origin.NEW, Origin.REQUEST}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person says of the certificate.

    Attributes:
        request: the host keeps its own key, and here is its request.
        new_key: whatever certificate the host has, it gets a new one with a new key.
        with_key: False leaves the key out.
    """

    request: bool = False
    new_key: bool = False
    with_key: bool = True


def choose(site: Site, inventory: Inventory | None, host: str, terms: Terms) -> Choice:
    """Return where the papers come from.

    Raises:
        ExistsError: the host has a valid certificate, and its key is not on the hub.
        MissingInputError: no key is wanted, and there is no certificate either.
    """
    row = inventory.current(host, site.clock()) if inventory else None
    if terms.request or terms.new_key:
        return Choice(Origin.REQUEST if terms.request else Origin.NEW, row)
    if row is None:
        if not terms.with_key:
            raise MissingInputError(host, "has no valid certificate", f"smtpcreds bundle {host}")
        return Choice(Origin.NEW)
    if not terms.with_key:
        return Choice(Origin.CERTIFICATE, row)
    pair = Pair(site.root.locate(row.directory)) if row.is_on(site.machine) else None
    if pair is None:
        reason = f"has a certificate until {row.not_after:%Y-%m-%d}, and only {host} has its key"
        hint = "--no-key to send the certificate alone, or --new-key to issue another one"
        raise ExistsError(host, reason, hint)
    return Choice(Origin.PAIR, row, pair)


def standing(ca: CA, inventory: Inventory, row: Row, pair: Pair | None) -> Papers:
    """Return the papers that exist.

    Raises:
        MissingInputError: the key is gone.
        DataError: it is another one's.
    """
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    key = _key_of(pair, certificate, row.host) if pair else None
    above = climb(certificate, ca.trusted)[1:]
    return Papers(certificate, certificate_file(certificate, above), key)


def granted_papers(granted: Granted, key: PrivateKey | None) -> Papers:
    """Return papers that were signed just now."""
    return Papers(granted.certificate, granted.pem, Secret(encode_key(key)) if key else None)


def _key_of(pair: Pair, certificate: Certificate, host: str) -> Secret:
    content = read_private(pair.key)
    if public_id(decode_key(content, None, pair.key)) != public_id(certificate):
        reason = f"is not the key of the certificate that {host} got last"
        raise DataError(pair.key, reason, "--new-key issues another pair")
    return Secret(content)
