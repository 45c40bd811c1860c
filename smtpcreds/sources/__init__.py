"""Where a secret comes from: one text form, one resolver, one class for each kind."""

from .kinds import KINDS, is_answered, is_generated, parse_source, resolve
from .protocol import MAX_SECRET, Context, Source
from .system_keyring import store_in_keyring

__all__ = [
    "KINDS",
    "MAX_SECRET",
    "Context",
    "Source",
    "is_answered",
    "is_generated",
    "parse_source",
    "resolve",
    "store_in_keyring",
]
