"""What a rotation works with, given by those who know accounts and files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..inventory import Rotations
from ..model import Account


class Accounts(Protocol):
    """One account database and the files for client hosts that go with it."""

    def exists(self, account: Account) -> bool:
        """Tell whether the database has the account."""
        ...

    def check_new(self, account: Account) -> None:
        """Refuse a name that no new account may have.

        Raises:
            NameRefusedError: a login of this host, or a name that can't be a directory.
            ExistsError: the account is there.
        """
        ...

    def add(self, account: Account) -> None:
        """Make the account with a new secret."""
        ...

    def hand_out(self, account: Account) -> None:
        """Write the account's file for client hosts; one that is there is replaced."""
        ...

    def remove(self, account: Account) -> None:
        """Remove the account and its file for client hosts, so far as they are there."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The inventory's table under its lock, and everything that the deeds touch.

    Attributes:
        accounts: the database of a recorded path.
        record: writes an event: what, subject, detail.
        warn: takes a line that the administrator should read.
    """

    rotations: Rotations
    accounts: Callable[[str], Accounts]
    clock: Callable[[], datetime]
    record: Callable[[str, str, str], None]
    warn: Callable[[str], None]
