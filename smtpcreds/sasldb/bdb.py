"""Berkeley DB hash files as a codec of the store."""

from .bdb_clean import amend, look
from .bdb_read import decode
from .bdb_write import encode

LOCKED = False
"""Cyrus SASL takes no lock on these files."""

__all__ = ["LOCKED", "amend", "decode", "encode", "look"]
