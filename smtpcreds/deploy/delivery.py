"""Which client host was given which account: an event for each bundle, and how to read it back."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ..inventory.rows import Event
from ..transaction import Transaction

WHAT = "bundle"
_DETAIL = re.compile(r"account (.*), program (\S+), certificate ([0-9a-f]+) (with its|without a) key")


@dataclass(frozen=True, slots=True)
class Handover:
    """What a client host was given.

    Attributes:
        host: full name.
        at: when.
        account: ``user@realm``; empty where the program needs none.
        program: whose files.
        serial: of the certificate, hex.
        with_key: its private key was made or kept here, and went along.
    """

    host: str
    at: datetime
    account: str
    program: str
    serial: str
    with_key: bool


def record_handover(work: Transaction, handover: Handover) -> None:
    """Record that a host was given something; no secret is among it."""
    key = "with its" if handover.with_key else "without a"
    what = f"account {handover.account}, program {handover.program}"
    work.record(WHAT, handover.host, f"{what}, certificate {handover.serial} {key} key")


def handovers(events: Iterable[Event]) -> dict[str, Handover]:
    """Return by host what it was given last.

    Args:
        events: the newest first, as an inventory yields them; those of other deeds are passed over.
    """
    found: dict[str, Handover] = {}
    for event in events:
        detail = _DETAIL.fullmatch(event.detail) if event.what == WHAT else None
        if detail and event.subject not in found:
            account, program, serial, key = detail.groups()
            found[event.subject] = Handover(
                event.subject, event.at, account, program, serial, key == "with its"
            )
    return found
