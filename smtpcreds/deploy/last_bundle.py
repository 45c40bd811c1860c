"""What a client host's last bundle was told: it holds for the next one unless that says otherwise."""

from dataclasses import replace

from ..accounts.database import AccountDatabase, recorded_place
from ..accounts.rotation import latest
from ..ca.layout import has_inventory, reading
from ..ca.told import remembered
from ..config import Site
from ..errors import quoted
from ..inventory.inventory import Inventory
from ..inventory.rotations import RotationState
from ..inventory.rows import FETCHES, HANDOVER
from ..model import Account
from ..mta.program import Program
from .delivery import Handover, detail_of, handovers, stays
from .options import RenderOptions, parse_words, words


def last_bundle(site: Site, host: str) -> Handover | None:
    """Return what a host was given last, or is to fetch from now on, unless it was retired since.

    Of an inventory that others share, that alone which this host recorded: its server can put anything there.
    """
    if not has_inventory(site):
        return None
    with reading(site) as inventory:
        given = handovers(inventory.deliveries_to([host])).get(host)
        pull = inventory.pulls.find(host)
        if pull is None or not stays(inventory, host, pull.since):
            return given if given and _is_own(site, HANDOVER, host, detail_of(given)) else None
    if not _is_own(site, FETCHES, host, pull.wish):
        return None
    if given and given.at > pull.since and _is_own(site, HANDOVER, host, detail_of(given)):
        return replace(given, login=pull.login)
    options = parse_words(pull.options)
    account = pull.account or options.account or ""
    whom = (host, pull.since, account, pull.program, pull.serial, True)
    return Handover(*whom, options=lasting(options), login=pull.login)


def _is_own(site: Site, what: str, host: str, detail: str) -> bool:
    if not site.machine or remembered(site, what, host) == detail:
        return True
    reason = "is in the inventory that others share; this host did not record it, and does not go by it"
    site.warn(f"{host}: {what}: {quoted(detail)} {reason}")
    return False


def lasting(options: RenderOptions) -> str:
    """Return what of a bundle's options holds for the host's next one, as it is typed."""
    return words(replace(options, host=None, account=None))


def told_again(site: Site, given: RenderOptions, last: Handover, program: Program) -> RenderOptions:
    """Complete a bundle's options from the host's last one; of another program's, by port and account alone.

    Raises:
        DamagedFileError: what is recorded of it can't be read.
    """
    before = parse_words(last.options)
    if last.program != program.NAME:
        before = RenderOptions(port=before.port)
    return given.after(replace(before, account=account_again(site, last)))


def account_again(site: Site, given: Handover) -> str | None:
    """Return the account of a host's next bundle, or what took its place; None for the usual one.

    One that is gone stays the host's: who deleted it shut the host out.
    """
    if not given.account:
        return None
    accounts = AccountDatabase(site)
    account = accounts.existing(given.account)
    if account not in accounts:
        with reading(site) as inventory:
            place = recorded_place(site, accounts.database)
            account = latest(inventory, place, _without_abandoned(inventory, place, account))
    usual = accounts.parse(site.settings.sasl.account)
    is_usual = account == usual or (account.authcid == usual.authcid and account not in accounts)
    name = account.authcid if account.realm == site.realm else str(account)
    return None if is_usual else name


def _without_abandoned(inventory: Inventory, place: str, account: Account) -> Account:
    """Return the account that was to be replaced by this one and was not."""
    ended = {RotationState.ABANDONED, RotationState.ABANDONING}
    rows = (row for row in inventory.rotations.history() if row.state in ended and row.sasldb == place)
    return next((row.account for row in rows if row.successor == account), account)
