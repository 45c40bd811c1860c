"""Certificates to record, for the tests and for the processes that they start."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from smtpcreds.inventory.inventory import Inventory
from smtpcreds.inventory.rows import CertificateRow, Intent, Signed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HUB = "dmzmail.polkatistas.org"
CERTS = "/etc/mail/certs"


def add_authority(inventory: Inventory, name: str = "Polkatistas CA") -> int:
    return inventory.add_authority(name, ski="a1b2", der=name.encode(), created=NOW).id


def intent(authority: int, serial: str, host: str = HUB, days: int = 365, begins: datetime = NOW) -> Intent:
    return Intent(
        authority, serial, host, "relay", (host, "10.0.0.1"), begins, begins + days * DAY, NOW, CERTS
    )


def issue(inventory: Inventory, *intents: Intent) -> None:
    """Take certificates all the way; the DER is the serial number's octets."""
    inventory.intend(intents)
    for item in intents:
        sign(inventory, item.authority, item.serial)
        inventory.issued(item.authority, [item.serial])


def sign(inventory: Inventory, authority: int, serial: str) -> None:
    inventory.signed(authority, [Signed(serial, "c0ffee", bytes.fromhex(serial))])


def fingerprint(serial: str) -> str:
    return sha256(bytes.fromhex(serial)).hexdigest()


def serials(found: Iterable[CertificateRow]) -> list[str]:
    return [item.serial for item in found]
