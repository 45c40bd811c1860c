"""What a rotation works with, given by those who know accounts and files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from ..inventory import Rotations
from ..model import Account, Plan


class Addition(NamedTuple):
    """A successor that may be made.

    Attributes:
        account: who.
        places: as :attr:`smtpcreds.inventory.Rotation.places`.
        plan: delivers the secret first, and then makes the account.
    """

    account: Account
    places: tuple[str, ...]
    plan: Plan[Any]


class Accounts(Protocol):
    """One account database and the files for client hosts that go with it."""

    def shown(self, account: Account) -> str:
        """Return what to type for the account in a shell, with the database where that is not the usual."""
        ...

    def exists(self, account: Account) -> bool:
        """Tell whether the database has the account."""
        ...

    def addition(self, account: Account, former: Account) -> Addition:
        """Plan the account with a new secret, stored as that of the former one unless somebody said how.

        Raises:
            NameRefusedError: a login of this host, or a name that can't be a directory.
            ExistsError: the account is there, or something where the secret is to go.
            PasswordRefusedError: the former one is stored in a way that can't be made here.
        """
        ...

    def hand_out(self, account: Account) -> None:
        """Make sure that the account's file for client hosts has its secret.

        Raises:
            PasswordRefusedError: it has not, and the database can't give the secret.
        """
        ...

    def is_file_spare(self, account: Account) -> bool:
        """Tell whether there is a file for client hosts, and the database keeps no clear text beside it."""
        ...

    def withdraw(self, account: Account) -> None:
        """Delete the account's file for client hosts, if there is one."""
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
