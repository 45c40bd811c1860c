"""Renewing: the same certificate once more, with the key that is in place or a new one."""

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from ipaddress import ip_address

from ..config import Site
from ..errors import DataError, MissingInputError, NameRefusedError, SmtpcredsError, UsageError
from ..files import exists
from ..inventory.inventory import Inventory
from ..inventory.rotations import Rotation
from ..inventory.rows import AuthorityState, CertificateRow, State
from ..lazy import dataclass
from ..pki.dates import Period, has_ended, is_due, successor_due
from ..pki.encoding import parse_certificate
from ..pki.issue import new_serial
from ..pki.keys import KEY_TYPES, KeyType, PrivateKey, key_label, parse_key_type
from ..pki.names import Address, title
from ..pki.profiles import HOST_PROFILES, parse_profile
from ..pki.values import BACKDATE, Issuer, validity
from ..pki.values import Certificate as Parsed
from ..shell import quote
from ..transaction import Transaction
from .altered import verify_as_signed
from .authority import CA
from .crl import crl_is_due
from .directory import pair_at, rows_here, unknown_here
from .issue import (
    CertificateRequest,
    Draft,
    Issued,
    Outcome,
    Refused,
    alternatives,
    carry_out,
    verify_jobs,
    verify_permitted,
)
from .layout import bundle_again, is_client_host, issued_again, lifetime_of
from .old import RENEW_OLD, RENEW_UNKNOWN, RETIRE_OLD, of_unknown_use, old_authorities
from .pair import (
    PreviousPair,
    certificate_in_place,
    key_that_waits,
    key_to_keep,
    read_previous_pair,
    verify_ours,
)
from .publish import (
    Published,
    copy,
    refresh_superseded_crls,
    stale_copies,
    superseded_crls_are_due,
    take_crls,
)
from .reload import Hook, is_owed, owe, tell
from .state import row_of

# Which certificates a renewal means.

SHOWN = 8
"""Hosts that a message names."""


@dataclass(frozen=True)
class Renewals:
    """What ``cert renew`` is asked for.

    Attributes:
        hosts: names; empty with ``due``.
        due: everything past two thirds of its life.
        old_authority: everything that an authority before the present one has signed.
        new_key: make new keys; otherwise the keys stay.
        next_key: take the keys that wait beside the pairs; only where one waits.
        key_type: of the new keys; None is that of the former one.
        days: lifetime; None is that of the former certificate.
        more: host names and IP addresses that the certificate holds from now on.
        fewer: those that it loses.
        jobs: how many processes make keys and sign; None leaves it to the number of certificates.
    """

    hosts: tuple[str, ...] = ()
    due: bool = False
    new_key: bool = False
    next_key: bool = False
    key_type: str | None = None
    days: int | None = None
    old_authority: bool = False
    more: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()
    jobs: int | None = None

    def __post_init__(self) -> None:
        if (self.more or self.fewer) and len(self.hosts) != 1:
            raise UsageError("--san, --drop-san", "go with one host", "smtpcreds cert renew HOST --san NAME")
        if [self.due, self.old_authority, bool(self.hosts)].count(True) != 1:
            reason = "takes hosts, --due or --old-authority, one of them"
            raise UsageError("cert renew", reason, "smtpcreds cert renew HOST")
        if self.key_type and not self.new_key:
            raise UsageError("--key-type", "needs a new key", f"--new-key --key-type {self.key_type}")
        if self.key_type:
            parse_key_type(self.key_type)
        if self.days is not None:
            lifetime_of(self.days)


def due_rows(site: Site, inventory: Inventory, end: datetime) -> list[CertificateRow]:
    """Return the certificates here that are past two thirds of their life, the next to expire first.

    Args:
        site: its clock, and who is warned of those that can't be renewed here.
        inventory: what there is.
        end: of the authority; what lives as long as it gains nothing by a renewal.
    """
    now = site.clock()
    rows = (row for row in inventory.listing(latest=True) if row.profile in HOST_PROFILES)
    due = _here(site, inventory, [row for row in rows if is_due(row.not_before, row.not_after, now)])
    last = [row.host for row in due if row.not_after >= end]
    if last:
        site.warn(f"{_some(last)}: ends with the authority on {end:%Y-%m-%d}; first: smtpcreds ca rollover")
    return [row for row in due if row.not_after < end]


def old_rows(site: Site, inventory: Inventory, ca: CA) -> list[CertificateRow]:
    """Return the certificates here that an authority before the present one has signed.

    One that expired counts as long as anything of its pair is in place: its authority may have ended with it.
    """
    old, now = old_authorities(inventory, ca), site.clock()
    rows = (row for row in inventory.listing(latest=True) if row.profile in HOST_PROFILES)
    found = _here(site, inventory, [row for row in rows if row.authority in old])
    return [row for row in found if not has_ended(row.not_after, now) or is_there(site, row)]


def _here(site: Site, inventory: Inventory, rows: Sequence[CertificateRow]) -> list[CertificateRow]:
    """Return those that can be renewed on this host, and warn of the others.

    Those of hosts that fetch their bundles are left out: they are renewed when their host comes.
    """
    now, ours = site.clock(), _ours(inventory)
    fetched = f"{site.root.record(site.hosts)}/"
    rows = [row for row in rows if not (row.is_on(site.machine) and row.directory.startswith(fetched))]
    foreign = [row.host for row in rows if row.authority not in ours and not has_ended(row.not_after, now)]
    if foreign:
        site.warn(
            f"{_some(foreign)}: to be renewed by the CA that signed it: {renewed_at_the_ca(site, 'HOST')}"
        )
    due = [row for row in rows if row.authority in ours]
    elsewhere = [row.host for row in due if not row.directory and not has_ended(row.not_after, now)]
    if elsewhere:
        site.warn(f"{_some(elsewhere)}: to be renewed where the key is kept: {renewed_elsewhere(elsewhere)}")
    others = [row for row in due if row.directory and not row.is_on(site.machine)]
    for machine in dict.fromkeys(row.machine for row in others):
        site.warn(
            f"{_some([row.host for row in others if row.machine == machine])}: to be renewed on {machine}"
        )
    for unknown in unknown_here(site, due):
        site.warn(f"{unknown}; it is not renewed; if it is right: {unknown.hint}")
    return rows_here(site, due)


def next_of_rollover(site: Site, inventory: Inventory, ca: CA, left: Sequence[str]) -> str:
    """Return the command that comes next in a rollover, one that does something.

    Args:
        site: where.
        inventory: what there is.
        ca: which authorities.
        left: the hosts that still need an old one, from :func:`.old.hosts_of`.
    """
    if old_rows(replace(site, warn=lambda _: None), inventory, ca):
        return RENEW_OLD
    if left:
        return renewed_elsewhere(left)
    return RENEW_UNKNOWN if of_unknown_use(inventory, ca, site.clock()) else RETIRE_OLD


def renewed_elsewhere(hosts: Sequence[str]) -> str:
    """Return the commands for hosts that keep their own keys."""
    host = hosts[0] if len(set(hosts)) == 1 else "HOST"
    return f"smtpcreds cert sign CSR, or with a new key: smtpcreds bundle {quote(host)} --new-key --force"


def renewed_at_the_ca(site: Site, host: str) -> str:
    """Return how a certificate is renewed that another authority signed: that of our hub, or of others."""
    return (
        bundle_again(site, host, "--new-key")
        if is_client_host(site)
        else f"smtpcreds cert request {quote(host)}"
    )


def rows_of(site: Site, inventory: Inventory, text: str) -> list[CertificateRow]:
    """Return the newest certificates of a host, one of each place."""
    host = site.qualify(text)
    rows = [row for row in inventory.listing(host=host, latest=True) if row.profile in HOST_PROFILES]
    ours = _ours(inventory)
    if found := [row for row in rows if row.is_on(site.machine) and row.authority in ours]:
        if known := rows_here(site, found):
            return known
        raise unknown_here(site, found)[0]
    if elsewhere := next((row for row in rows if row.directory and row.authority in ours), None):
        raise DataError(host, f"is installed on {elsewhere.machine}", "renew it there")
    if any(row.authority not in ours for row in rows):
        raise DataError(host, "is certified by another CA", renewed_at_the_ca(site, host))
    if rows:
        hint = f"make a request there, then here: {renewed_elsewhere([host])}"
        raise DataError(host, "keeps its own key, so it can't be renewed here", hint)
    if revoked := next(inventory.listing(host=host, state=State.REVOKED, limit=1), None):
        reason = f"was revoked ({revoked.reason})"
        raise DataError(host, reason, f"give it a new one: {issued_again(site, revoked)}")
    raise MissingInputError(
        host, f"is not in the inventory; {_known(inventory, host)}", "smtpcreds cert list"
    )


def _ours(inventory: Inventory) -> set[int]:
    return {ca.id for ca in inventory.authorities() if ca.state is not AuthorityState.FOREIGN}


def _known(inventory: Inventory, host: str) -> str:
    from difflib import get_close_matches

    hosts = list(dict.fromkeys(row.host for row in inventory.listing(latest=True)))
    if not hosts:
        return "it holds no certificates yet"
    return f"known: {_some(get_close_matches(host, hosts, 3) or sorted(hosts))}"


def _some(hosts: list[str]) -> str:
    more = len(hosts) - SHOWN
    return ", ".join(hosts[:SHOWN]) + (f" and {more} more" if more > 0 else "")


# A certificate once more: same names, profile, lifetime and place; the same key, or a new one.


@dataclass(frozen=True)
class Renewal:
    """One renewal, looked over.

    Attributes:
        order: what is wanted.
        previous: what is in place.
        key: to be kept, or the one that waited; None makes a new one.
        waited: the key waits beside the pair.
    """

    order: CertificateRequest
    previous: PreviousPair
    key: PrivateKey | None = field(repr=False)
    waited: bool = False

    def draft(self, site: Site, issuer: Issuer) -> Draft:
        """Return what is to be signed."""
        return Draft(
            self.order,
            self.key,
            new_serial(),
            validity(site.clock(), self.order.lifetime, issuer),
            self.previous,
            keeps_key=self.key is not None and not self.waited,
            waited=self.waited,
        )


def job(
    site: Site, inventory: Inventory, row: CertificateRow, chain: Sequence[Parsed], wanted: Renewals
) -> Renewal:
    """Look one renewal over.

    Args:
        site: where.
        inventory: what there is.
        row: the certificate to be renewed.
        chain: the authority that will sign, and those above it.
        wanted: new key, its type, lifetime.
    """
    order = renewal_request(site, inventory, row, wanted)
    verify_permitted(order, chain)
    previous = read_previous_pair(order.pair)
    verify_ours(previous, row, inventory)
    verify_as_signed(site, inventory, row, certificate_in_place(previous))
    if wanted.next_key:
        return Renewal(order, previous, key_that_waits(order.pair), waited=True)
    return Renewal(order, previous, None if wanted.new_key else key_to_keep(previous, row, inventory))


def renewal_request(
    site: Site, inventory: Inventory, row: CertificateRow, wanted: Renewals
) -> CertificateRequest:
    """Return the order that makes the certificate once more."""
    names, addresses = _parted(_names(site, row, wanted))
    return CertificateRequest(
        row.host,
        parse_profile(row.profile),
        names,
        addresses,
        _lifetime(site, inventory, row) if wanted.days is None else lifetime_of(wanted.days),
        _key_type(site, inventory, row, wanted),
        pair_at(site, row),
    )


def _names(site: Site, row: CertificateRow, wanted: Renewals) -> Iterable[str]:
    """Return the names that the certificate is to hold, the host's first."""
    more, fewer = (alternatives(site, texts) for texts in (wanted.more, wanted.fewer))
    left = dict.fromkeys((row.host, *row.names))
    for name in fewer:
        if name not in left or name == row.host:
            reason = f"is {'the host itself' if name == row.host else 'no name of its certificate'}"
            raise NameRefusedError(name, reason, f"it holds {', '.join(left)}")
        del left[name]
    return (*left, *more)


def _lifetime(site: Site, inventory: Inventory, row: CertificateRow) -> timedelta:
    """Return how long the certificate was meant to live: its end may be that of its authority."""
    authority = next(item for item in inventory.authorities() if item.id == row.authority)
    if row.not_after >= parse_certificate(authority.der, authority.name).not_valid_after_utc:
        return timedelta(days=site.settings.cert.days)
    return row.not_after - row.not_before - BACKDATE


def _key_type(site: Site, inventory: Inventory, row: CertificateRow, wanted: Renewals) -> KeyType:
    if wanted.key_type:
        return parse_key_type(wanted.key_type)
    default = parse_key_type(site.settings.cert.key_type)
    if not wanted.new_key:
        return default
    try:
        key = parse_certificate(inventory.der(row.authority, row.serial), row.host).public_key()
    except MissingInputError:  # adopted from a ledger that had no certificates
        return default
    return next((kind for kind in KEY_TYPES.values() if kind.label == key_label(key)), default)


def _parted(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    names: list[str] = []
    addresses: list[Address] = []
    for text in texts:
        try:
            addresses.append(ip_address(text))
        except ValueError:
            names.append(text)
    return tuple(names), tuple(addresses)


@dataclass(frozen=True)
class Upkeep:
    """What ``cert renew --due`` did besides, for account secrets and old authorities.

    Attributes:
        begun: replacements of accounts.
        ended: those whose old account is gone.
        successor: name of the authority that signs from now on.
        renewed: hosts here that have a certificate of it before their old one is due.
        authorities: names of those that are trusted no more.
        failed: what could not be done; the rest was.
        postponed: the next run looks after the authority.
    """

    begun: tuple[Rotation, ...] = ()
    ended: tuple[Rotation, ...] = ()
    successor: str = ""
    renewed: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    failed: tuple[SmtpcredsError, ...] = ()
    postponed: bool = False

    @property
    def is_any(self) -> bool:
        """Tell whether there was anything to do."""
        return any((self.begun, self.ended, self.successor, self.renewed, self.authorities, self.failed))


NOTHING = Upkeep()


@dataclass(frozen=True)
class Renewed:
    """What a run did.

    Attributes:
        outcomes: of each host.
        crl: the new CRL, if one was signed.
        copied: directories that lacked the newest CRL and have it now.
    """

    outcomes: list[Outcome]
    crl: Published | None = None
    copied: tuple[str, ...] = ()


def renew(
    work: Transaction,
    wanted: Renewals,
    *,
    hook: Hook | None = None,
) -> Renewed:
    """Renew certificates; each is carried out whole or not at all.

    Args:
        work: whose authority signs; its passphrase is asked for only if there is something to sign.
        wanted: what is to be renewed, and how.
        hook: tells the mail server when everything is in place and anything changed.
    """
    chain = work.ca.chain
    verify_jobs(work, wanted.jobs)
    work.require_inventory()
    if wanted.due:
        take_crls(work)
    jobs, refused = _jobs(work, chain, wanted)
    if len(wanted.hosts) == 1 and refused and not jobs:
        raise refused[0].error
    for one in refused:
        work.note("leave", one.host, str(one.error))
    if not (jobs or (wanted.due and _crls_are_due(work, chain[0]))):
        return Renewed(list(refused), None, _copy(work, hook))
    issuer = work.issuer()
    changed = is_owed(work, hook)
    owe(work, hook)
    older = refresh_superseded_crls(work)
    drafts = [job.draft(work.site, issuer) for job in jobs]
    verb = "tlsa switch" if wanted.next_key else "cert renew"
    changed = changed or bool(older)
    outcomes, crl = carry_out(work, issuer, drafts, verb, hook=hook, changed=changed, jobs=wanted.jobs)
    return Renewed([*outcomes, *refused], crl or next(iter(older), None))


def ending(site: Site) -> str | None:
    """Return who needs a successor and why, where the authority does; leaves can't outlive it."""
    ca = CA(site)
    if not ca.is_there:
        return None
    end = min(above.not_valid_after_utc for above in ca.chain)
    period = Period(ca.certificate.not_valid_before_utc, end)
    reason = successor_due(period, timedelta(days=site.settings.cert.days), site.clock())
    return reason and f"{title(ca.certificate)}: {reason}; its successor: smtpcreds ca rollover"


def _copy(work: Transaction, hook: Hook | None) -> tuple[str, ...]:
    """Install bundle and CRLs where they are missing, which takes no key; return the directories."""
    beside = stale_copies(work)
    is_told = bool(beside) or is_owed(work, hook)
    if beside:
        owe(work, hook)
        copy(beside)
    if is_told:
        tell(work, hook)
    return tuple(beside)


def _crls_are_due(work: Transaction, own: Parsed) -> bool:
    authority = row_of(work.inventory, own)
    if authority is None:  # a killed run got no further than its files
        return True
    return crl_is_due(work.site, work.inventory, work.ca, authority) or superseded_crls_are_due(
        work.site, work.inventory, work.ca
    )


def _jobs(
    work: Transaction, chain: Sequence[Parsed], wanted: Renewals
) -> tuple[list[Renewal], list[Refused]]:
    rows, refused = _rows(work, chain, wanted)
    jobs: list[Renewal] = []
    for row in rows:
        try:
            work.beside(pair_at(work.site, row).directory)
            jobs.append(job(work.site, work.inventory, row, chain, wanted))
        except SmtpcredsError as error:
            refused.append(Refused(row.host, error))
    return jobs, refused


def _rows(
    work: Transaction, chain: Sequence[Parsed], wanted: Renewals
) -> tuple[list[CertificateRow], list[Refused]]:
    site, inventory = work.site, work.inventory
    if wanted.due:
        end = min(ca.not_valid_after_utc for ca in chain)
        rows = due_rows(site, inventory, end)
        return [row for row in rows if not has_ended(row.not_after, work.now) or is_there(site, row)], []
    if wanted.old_authority:
        return old_rows(site, inventory, work.ca), []
    found: dict[tuple[int, str], CertificateRow] = {}
    refused: list[Refused] = []
    for host in wanted.hosts:
        try:
            found |= {(row.authority, row.serial): row for row in rows_of(site, inventory, host)}
        except SmtpcredsError as error:
            refused.append(Refused(host, error))
    rows = [row for row in found.values() if not wanted.next_key or _next_key_waits(site, row)]
    return rows, refused


def is_there(site: Site, row: CertificateRow) -> bool:
    """Tell whether anything of a pair here is left; nobody depends on one that expired and is gone."""
    pair = pair_at(site, row)
    return exists(pair.key) or exists(pair.certificate)


def _next_key_waits(site: Site, row: CertificateRow) -> bool:
    return exists(pair_at(site, row).next_key)


def reissued(work: Transaction, row: CertificateRow) -> Issued:
    """Return a certificate that this run completed as one that it issued."""
    certificate = parse_certificate(work.inventory.der(row.authority, row.serial), row.host)
    return Issued(renewal_request(work.site, work.inventory, row, Renewals((row.host,))), certificate, False)
