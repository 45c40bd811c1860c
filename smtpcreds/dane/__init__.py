"""TLSA records of hosts, and a new key without a moment in which none of them fits (RFC 7671 section 8.1)."""

from .records import Zone, zone
from .state import Rollover, Stage, rollovers

__all__ = ["Rollover", "Stage", "Zone", "rollovers", "zone"]
