"""GDBM files as a codec of the store."""

from collections.abc import Mapping

from .gdbm_read import decode
from .gdbm_write import encode

LOCKED = True
"""gdbm itself holds flock on the file: shared to read, exclusive to write."""

look = decode


def amend(records: Mapping[bytes, bytes], edits: Mapping[bytes, bytes | None]) -> bytes | None:  # noqa: ARG001
    """Return None: such a file is always written whole."""
    return None


__all__ = ["LOCKED", "amend", "decode", "encode", "look"]
