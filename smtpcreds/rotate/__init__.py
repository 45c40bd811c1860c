"""Replacing a relay account without an outage: a successor, both at work for a while, then the old one goes.

An account has one secret, so a new one can't be tried beside the old; a new account can.
"""

from .deeds import abandon, begin, postpone, request, retire, retire_due, unfinished
from .rules import Request
from .when import parse_after

__all__ = [
    "Request",
    "abandon",
    "begin",
    "parse_after",
    "postpone",
    "request",
    "retire",
    "retire_due",
    "unfinished",
]
