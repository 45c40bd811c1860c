"""For every code a way to bring it about on a clean host, by the hands and the tools of an administrator."""

from . import broken_postfix, broken_sendmail
from .breaking import BREAKS, Break
from .broken_accounts import damaged_database, empty_database
from .broken_files import authority_that_is_gone, clock_behind, readable_state
from .broken_servers import daemon

__all__ = (
    "BREAKS",
    "Break",
    "authority_that_is_gone",
    "broken_postfix",
    "broken_sendmail",
    "clock_behind",
    "daemon",
    "damaged_database",
    "empty_database",
    "readable_state",
)
