"""Replacing a relay account without an outage: a successor, both at work for a while, then the old one goes.

An account has one secret, so a new one can't be tried beside the old; a new account can.
"""

from .deeds import abandon, begin, postpone, retire, retire_due, settle
from .desk import Accounts, Addition, Desk
from .rules import Request, check_abandon, check_begin, check_retire, due, open_rotation
from .when import parse_after

__all__ = [
    "Accounts",
    "Addition",
    "Desk",
    "Request",
    "abandon",
    "begin",
    "check_abandon",
    "check_begin",
    "check_retire",
    "due",
    "open_rotation",
    "parse_after",
    "postpone",
    "retire",
    "retire_due",
    "settle",
]
