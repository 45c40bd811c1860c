"""GDBM files as a codec of the store."""

from .gdbm_read import decode
from .gdbm_write import encode

LOCKED = True
"""gdbm itself holds flock on the file: shared to read, exclusive to write."""

__all__ = ["LOCKED", "decode", "encode"]
