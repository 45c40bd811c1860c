"""Facts: what was issued and revoked, by which authority, and who did what.

:class:`Inventory` is the promise, :func:`open_inventory` the way to the SQLite file or
PostgreSQL database that keeps it.
"""

from .opening import open_inventory
from .port import Inventory
from .rotations import Rotation, Rotations, RotationState
from .rows import (
    Authority,
    AuthorityState,
    Certificate,
    Crl,
    Event,
    Intent,
    Revoked,
    Signed,
    State,
    serial_text,
)
from .tables import TableInventory

__all__ = [
    "Authority",
    "AuthorityState",
    "Certificate",
    "Crl",
    "Event",
    "Intent",
    "Inventory",
    "Revoked",
    "Rotation",
    "RotationState",
    "Rotations",
    "Signed",
    "State",
    "TableInventory",
    "open_inventory",
    "serial_text",
]
