"""Which client host was given which account: an event for each bundle, and how to read it back."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..ca.layout import pair_of
from ..ca.told import remember
from ..config import Site
from ..files import exists
from ..inventory.inventory import Inventory
from ..inventory.rotations import RotationState
from ..inventory.rows import HANDOVER, CertificateRow, Event, State
from ..lazy import dataclass, pattern
from ..model import Account, parse_account
from ..sasldb.records import USER_PASSWORD
from ..shell import quote
from ..transaction import Transaction

if TYPE_CHECKING:
    from ..mta.program import Program

RETIRED = "cert retire"
"""A host left; what it was given before counts no more."""
NEW_SECRET = "sasl passwd"  # noqa: S105  # the name of a verb
"""An account that client hosts were given has another secret, or is gone."""
PULL = "on that host: /etc/smtpcreds/pull.sh"
"""What a host that fetches its bundles does at once, without waiting for its timer."""
_DETAIL = pattern(
    r"account (.*), program (\S+), certificate ([0-9a-f]+) (with its|without a) key"
    r"(?:, port (\d+))?(?:, days (\d+))?(?:, options (.*))?"  # the port stood alone once
)


@dataclass(frozen=True)
class Handover:
    """What a client host was given.

    Attributes:
        host: full name.
        at: when.
        account: ``user@realm``; empty where the program needs none.
        program: whose files.
        serial: of the certificate, hex.
        with_key: its private key was made or kept here, and went along.
        days: lifetime that a certificate was asked for with; None for the configured one.
        options: of the program's files, as they are typed, without host and account.
        login: on the hub, of a host that fetches its bundles.
    """

    host: str
    at: datetime
    account: str
    program: str
    serial: str
    with_key: bool
    days: int | None = None
    options: str = ""
    login: str = ""


def record_handover(work: Transaction, handover: Handover) -> None:
    """Record that a host was given something; no secret is among it."""
    detail = detail_of(handover)
    remember(work.site, HANDOVER, handover.host, detail)
    work.record(HANDOVER, handover.host, detail)


def detail_of(handover: Handover) -> str:
    """Return the detail of the event that records what a host was given."""
    key = "with its" if handover.with_key else "without a"
    what = f"account {handover.account}, program {handover.program}, certificate {handover.serial} {key} key"
    days = f", days {handover.days}" if handover.days else ""
    return what + days + (f", options {handover.options}" if handover.options else "")


def handovers(events: Iterable[Event]) -> dict[str, Handover]:
    """Return by host what it was given last, unless it was retired since.

    Args:
        events: the newest first, as an inventory yields them; those of other deeds are passed over.
    """
    found: dict[str, Handover | None] = {}
    for event in events:
        if event.subject in found:
            continue
        if event.what == RETIRED:
            found[event.subject] = None
        elif event.what == HANDOVER and (detail := _DETAIL.fullmatch(event.detail)):
            account, program, serial, key, port, days, options = detail.groups()
            whom = (event.subject, event.at, account, program, serial, key == "with its")
            told = options or (f"--port {port}" if port else "")
            found[event.subject] = Handover(*whom, int(days) if days else None, told)
    return {host: given for host, given in found.items() if given}


class NextBundles:
    """The commands by which client hosts come to their next bundles."""

    def __init__(self, site: Site, fetching: Container[str]) -> None:
        from ..accounts.database import AccountDatabase

        self._site, self._fetching, self._accounts = site, fetching, AccountDatabase(site)
        self._held: dict[Account, Mapping[str, bytes] | None] = {}

    def command(self, given: Handover, account: Account) -> str:
        """Return the command for a host; a program that copies its key gets a new one.

        A program that can't log in with the account as it is stored needs its clear text first.
        """
        from ..mta.program import Need
        from ..mta.programs import PROGRAMS

        program = PROGRAMS.get(given.program)
        first = f"smtpcreds sasl passwd {_name(self._site, account)} --clear"
        is_shut_out = program is not None and self._shuts_out(program, account)
        if given.host in self._fetching:
            return f"{first}; then {PULL}" if is_shut_out else PULL
        key = "--new-key" if program and Need.MATERIAL in program.NEEDS else "--no-key"
        what = f"--mta {given.program}{account_option(self._site, account)} {key} --force"
        command = f"smtpcreds bundle {quote(given.host)} {what}"
        if is_shut_out:
            return f"{first} && {command}"
        return command if self._is_kept(account) else f"{command} --password SOURCE"

    def _shuts_out(self, program: "Program", account: Account) -> bool:
        from ..accounts.entries import served

        held = self._properties(account)
        return held is not None and not {*served(held)} & {*program.MECHANISMS}

    def _is_kept(self, account: Account) -> bool:
        """Tell whether the next bundle has the secret without being given it."""
        from ..accounts.auth_info import auth_info_for_clients

        held = self._properties(account)
        return held is None or USER_PASSWORD in held or exists(auth_info_for_clients(self._site, account))

    def _properties(self, account: Account) -> Mapping[str, bytes] | None:
        if account not in self._held:
            there = account in self._accounts
            self._held[account] = self._accounts.properties(account) if there else None
        return self._held[account]


def account_option(site: Site, account: Account) -> str:
    """Return the option of ``bundle`` for an account, with a blank before it; nothing for the usual one."""
    is_usual = account == parse_account(site.settings.sasl.account, site.realm)
    return "" if is_usual else f" --account {_name(site, account)}"


def _name(site: Site, account: Account) -> str:
    return quote(account.authcid if account.realm == site.realm else str(account))


def retired_at(inventory: Inventory, host: str) -> datetime | None:
    """Return when a host was retired last; None for one that never was."""
    return next((event.at for event in inventory.events(subject=host, what=RETIRED, limit=1)), None)


def stays(inventory: Inventory, host: str, since: datetime) -> bool:
    """Tell whether a host was not retired since that time."""
    left = retired_at(inventory, host)
    return left is None or left < since


def users(inventory: Inventory, database: str) -> dict[str, set[str]]:
    """Return by account (``user@realm``) the hosts that were given it, by bundle or replacement, and stay.

    Args:
        inventory: says so.
        database: as :attr:`smtpcreds.inventory.rotations.Rotation.sasldb` has it.
    """
    found: dict[str, set[str]] = {}
    for row in inventory.rotations.history():
        if row.sasldb == database and row.state is not RotationState.ABANDONED:
            hosts = {host for host in row.clients if stays(inventory, host, row.started)}
            for account in (row.account, row.successor):
                found.setdefault(str(account), set()).update(hosts)
    for host, given in handovers(inventory.deliveries()).items():
        found.setdefault(given.account, set()).add(host)
    return found


# Which certificate of a host counts, and whether it is to have none.


def newest(rows: Iterable[CertificateRow]) -> CertificateRow | None:
    """Return the newest certificate; of those of one second, one that was not revoked."""
    return max(rows, key=lambda row: (row.created, row.state is not State.REVOKED), default=None)


def kept_for(site: Site, inventory: Inventory, host: str) -> list[CertificateRow]:
    """Return the certificates of the pair that hubs keep for a host that fetches its bundles."""
    place = site.root.record(pair_of(site, host, site.hosts).stem)
    return [row for row in inventory.listing(host=host) if row.directory == place]


def was_revoked(rows: Iterable[CertificateRow]) -> bool:
    """Tell whether the newest was revoked, so that its host is given nothing more."""
    row = newest(rows)
    return row is not None and row.state is State.REVOKED


def gets_bundles(site: Site, inventory: Inventory, host: str) -> bool:
    """Tell whether a host that fetches its bundles is given any: it was neither revoked nor retired."""
    rows = kept_for(site, inventory, host)
    return not was_revoked(rows) and any(row.state is State.ISSUED for row in rows)
