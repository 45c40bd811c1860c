"""Where the authority and its certificates lie, how long they may live, and the way to the inventory."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timedelta

from ..config import MAX_DAYS, Site
from ..errors import ExistsError, MissingInputError, SmtpcredsError, UsageError
from ..files import check_parents, check_target, disk, exists, read_public, require_directory
from ..inventory.inventory import Inventory, open_inventory
from ..inventory.rows import AuthorityState, CertificateRow
from ..lazy import dataclass, pattern
from ..pki.dates import Period, crl_fault
from ..pki.profiles import RELAY
from ..postgres import is_url
from ..shell import quote

# Where the authority and its certificates lie, and how long they may live.

KEY = "ca-key.pem"
CERTIFICATE = "ca-cert.pem"
ROOT_KEY = "root-key.pem"
ROOT_CRL = "root-crl.pem"
PARENTS = "parents.pem"
CRL = "crl.pem"
ALL_CRLS = "all-crls.pem"
"""Every CRL in one file, for programs that take a single one; Sendmail would read only the first of them."""
BUNDLE = "cacert.pem"
SUPERSEDED = "old-"
RETIRED = "retired-"
"""Directories below the authority's own: of those it replaced, trusted still or no more."""


@dataclass(frozen=True)
class CaFiles:
    """The files of the authority; the directory appears with all of them at once."""

    directory: str

    @property
    def key(self) -> str:
        """The private key that signs."""
        return f"{self.directory}/{KEY}"

    @property
    def certificate(self) -> str:
        """The certificate of that key."""
        return f"{self.directory}/{CERTIFICATE}"

    @property
    def parents(self) -> str:
        """The certificates above it, nearest first; absent for a root."""
        return f"{self.directory}/{PARENTS}"

    @property
    def root_key(self) -> str:
        """The root's private key, until it is taken offline; absent where the root itself signs."""
        return f"{self.directory}/{ROOT_KEY}"

    @property
    def unfinished_key(self) -> str:
        """The URI of a key that is being made in a token; it is there only while that lasts."""
        return f"{self.directory}-token-key"

    @property
    def root_crl(self) -> str:
        """The newest CRL of the CA above; absent for a root, or where that CA's key was never here."""
        return f"{self.directory}/{ROOT_CRL}"

    @property
    def crl(self) -> str:
        """The newest CRL."""
        return f"{self.directory}/{CRL}"


@dataclass(frozen=True)
class Pair:
    """Key and certificate of one host.

    Attributes:
        stem: path without ``-key.pem``, as it is on this disk.
    """

    stem: str

    @property
    def directory(self) -> str:
        """Where both lie."""
        return self.stem.rpartition("/")[0]

    @property
    def key(self) -> str:
        """The private key, written first."""
        return f"{self.stem}-key.pem"

    @property
    def certificate(self) -> str:
        """The certificate, written last; where it is, its key is."""
        return f"{self.stem}-cert.pem"

    @property
    def previous_key(self) -> str:
        """The key before the last renewal."""
        return f"{self.key}.previous"

    @property
    def previous_certificate(self) -> str:
        """The certificate before the last renewal."""
        return f"{self.certificate}.previous"

    @property
    def request(self) -> str:
        """The request to another CA."""
        return f"{self.stem}.csr"

    @property
    def next_key(self) -> str:
        """A key that waits for its certificate while the pair is in use."""
        return f"{self.key}.new"


def ca_files(site: Site) -> CaFiles:
    """Return the files of the site's authority."""
    return CaFiles(site.ca_directory)


def pair_of(site: Site, host: str, directory: str | None = None) -> Pair:
    """Return the pair of a host: ``dmzmail-key.pem`` inside the domain, the full name outside it."""
    name = host.removesuffix(f".{site.domain}") if site.domain else host
    short = name if name and "." not in name else host
    return Pair(f"{directory or site.certificates}/{short}")


def is_lost(site: Site) -> bool:
    """Tell whether the inventory knows an authority, or one has published here, whose files are gone."""
    if exists(ca_files(site).certificate):
        return False
    known = _recorded(site)
    published = all(exists(f"{site.certificates}/{name}") for name in (BUNDLE, CRL))
    return known is not None and (AuthorityState.CURRENT in known or (published and not known))


def has_lost(site: Site) -> bool:
    """Tell whether this host is the hub by its configuration, and has lost the authority."""
    return bool(site.settings.hub) and not site.settings.inventory and is_lost_here(site)


def is_lost_here(site: Site) -> bool:
    """Tell whether the authority that is lost was this host's own, and not that of a hub elsewhere."""
    return _is_hub(site) and not _has_bundle(site) and is_lost(site)


def _is_hub(site: Site) -> bool:
    """Tell whether this host is the hub: by its name, or because it has the key of the configured one."""
    has_key = exists(site.settings_path) and exists(pair_of(site, site.hub).key)
    return has_key or site.hub == site.qualify(site.own_name)


def _has_bundle(site: Site) -> bool:
    return any(exists(site.path(path)) for path in (FROM_BUNDLE, FETCHING))


LOST = "is gone from the state directory, and what it signed is in use"
FROM_BACKUP = "put it back from your backup: smtpcreds ca restore BACKUP --force"
"""Where the state directory is there, which is then moved aside."""
RESTORE = (
    "put it back from your backup: smtpcreds ca restore BACKUP; "
    "without one, begin anew, with new certificates for all hosts: smtpcreds ca init --force"
)


def has_other(site: Site) -> bool:
    """Tell whether another authority than the one to be made is trusted here: a lost one, or of the hub."""
    is_client = AuthorityState.FOREIGN in _known_authorities(site) and not _is_hub(site)
    return is_lost(site) or (is_client_host(site) and (is_client or _has_bundle(site)))


def refuse_second(site: Site) -> None:
    """Accept a place where there was no authority, and none of another host is trusted.

    Raises:
        ExistsError: there was one, or this is a client host; a second one would be trusted by nobody.
    """
    if has_other(site):
        bundle = f"{site.certificates}/{BUNDLE}"
        where = bundle if exists(bundle) else "the inventory"
        reason = f"the authority of {where} is not here; hosts that trust it refuse what another one signs"
        hint = f"{beginning(site)}; a second one all the same: smtpcreds ca init --force"
        raise ExistsError(site.ca_directory, reason, hint if is_client_host(site) else RESTORE)


def is_client_host(site: Site) -> bool:
    """Tell whether the certificates here are of an authority elsewhere, even if cacert.pem is lost."""
    if exists(ca_files(site).certificate) or has_lost(site):
        return False
    known = _known_authorities(site)
    if AuthorityState.CURRENT in known:
        return False
    places = (f"{site.certificates}/{BUNDLE}", site.path(FETCHING))
    return AuthorityState.FOREIGN in known or any(map(exists, places))


def _known_authorities(site: Site) -> set[AuthorityState]:
    """Return how the authorities stand that the inventory has; whoever reads one that is damaged is told."""
    return _recorded(site) or set()


def _recorded(site: Site) -> set[AuthorityState] | None:
    """Return the same; None where the inventory can't be read."""
    if not is_url(site.inventory) and not exists(site.inventory):
        return set()
    try:
        with reading(site) as inventory:
            return {row.state for row in inventory.authorities()}
    except SmtpcredsError:
        return None


FROM_BUNDLE = "/etc/smtpcreds/client.toml"
"""What a bundle brings that was for this host: its settings."""
BY_TAR = "came from a bundle by tar, and commands don't know its hub until smtpcreds.toml names it"


def cure_unnamed_hub(site: Site) -> str | None:
    """Return the command that tells the hub of a host that ``tar`` filled; None where it is no use."""
    given = site.path(FROM_BUNDLE)
    is_needed = exists(given) and not exists(site.settings_path) and is_client_host(site)
    return f"cp {quote(given)} {quote(site.settings_path)}" if is_needed else None


FETCHING = "/etc/smtpcreds/pull.conf"
"""What a client host has that fetches its bundles; its first lines name host, program and hub."""
_HUB = pattern(r"^HUB=(\S+)$")


def fetched_from(site: Site) -> str:
    """Return where this host fetches its bundles, as ssh takes it; nothing where it does not."""
    path = site.path(FETCHING)
    if not exists(path):
        return ""
    lines = read_public(path).decode(errors="replace").splitlines()
    return next((found[1] for line in lines if (found := _HUB.match(line))), "")


def bundle_again(site: Site, host: str, option: str = "", *, changed: str = "") -> str:
    """Return how this client host gets another certificate, or another CRL, from its hub.

    Args:
        site: of the client host.
        host: its name.
        option: of ``bundle``, where its bundles are carried by hand.
        changed: what has to be done on the hub first, where it fetches them.
    """
    if hub := fetched_from(site):
        here = f"smtpcreds setup --client ssh://{hub} --force --run"
        return f"on the hub: {changed}; then here: {here}" if changed else here
    if _copies_key(site):
        option = option.replace("--no-key", "--new-key")
    here = f"smtpcreds setup --client BUNDLE{' --force' if option.startswith('--new-key') else ''}"
    return f"on the hub: smtpcreds bundle {quote(host)} {option} --force; then here: {here}"


def _copies_key(site: Site) -> bool:
    """Tell whether a mail program here has a copy of the key, so that its bundle brings one."""
    from ..mta.placed import secret_files
    from ..mta.program import Need, Role
    from ..mta.programs import PROGRAMS

    clients = (one for one in PROGRAMS.values() if one.ROLE is Role.CLIENT and Need.MATERIAL in one.NEEDS)
    return any(exists(site.path(path)) for one in clients for path in secret_files(one, site.system))


def beginning(site: Site) -> str:
    """Return what a host without authority or inventory begins with; a client host needs no second CA."""
    if is_client_host(site):
        return bundle_again(site, site.qualify(site.own_name), "--new-key")
    return RESTORE if has_lost(site) else f"{BEGIN}{site.hub}"


BEGIN = "smtpcreds ca init; or, to make everything that a hub needs: smtpcreds setup "
"""Before the name of the hub: how a host begins on which there is nothing yet."""


def is_bare(site: Site) -> bool:
    """Tell whether there is nothing here yet: neither inventory nor authority nor certificates."""
    return not (has_inventory(site) or exists(site.certificates) or exists(ca_files(site).certificate))


def without_authority(site: Site) -> MissingInputError:
    """Return the error of a verb that needs the authority."""
    if is_client_host(site):
        reason = "there is no authority here: the certificates of this host come from its hub"
        return MissingInputError(site.ca_directory, reason, beginning(site))
    if AuthorityState.CURRENT in _known_authorities(site):
        hint = RESTORE if has_lost(site) else FROM_BACKUP
        return MissingInputError(site.ca_directory, "the authority that the inventory knows is gone", hint)
    reason = f"the authority {LOST}" if has_lost(site) else "there is no authority yet"
    return MissingInputError(site.ca_directory, reason, beginning(site))


def without_inventory(site: Site) -> MissingInputError:
    """Return the error of a verb that needs the inventory; with an authority ``ca init`` is refused."""
    if not exists(os.path.join(site.ca_directory, CERTIFICATE)):
        return MissingInputError(site.inventory, "there is no inventory yet", beginning(site))
    hint = f"{FROM_BACKUP}; without one, begin it above the published CRL: {CURE_CRL}"
    return MissingInputError(site.inventory, "there is no inventory of the authority", hint)


def cure_missing(site: Site, path: str, host: str, *, is_hub: bool = True) -> str:
    """Return what brings a missing file of a certificate directory back.

    Args:
        site: of the directory.
        path: that is missing.
        host: whose pair is used there.
        is_hub: what the files are for.
    """
    is_shared = os.path.basename(path) in {BUNDLE, CRL, ALL_CRLS}
    if is_client_host(site):
        option = f"--no-key{'' if path.endswith(BUNDLE) else ' --crl'}" if is_shared else "--new-key"
        return bundle_again(site, host, option)
    if not exists(ca_files(site).certificate) and not _known_authorities(site):
        if not is_hub:
            return bundle_again(site, host, "--new-key")
        return RESTORE if has_lost(site) else f"smtpcreds setup {quote(host)}"
    pair = pair_of(site, host)
    has_half = any(exists(half) for half in (pair.key, pair.certificate) if half != path)
    again = " --force" if has_half and exists(ca_files(site).certificate) else ""
    return CURE_CRL if is_shared else f"smtpcreds cert issue {quote(host)}{again}"


def issued_again(site: Site, row: CertificateRow) -> str:
    """Return the command that puts a new pair in the place of this one, for the same role and names."""
    role = [] if row.profile == RELAY.name else [f"--{row.profile}"]
    more = [f"--san {quote(name)}" for name in row.names if name != row.host]
    directory = os.path.dirname(site.root.locate(row.directory)) if row.directory else ""
    to = [f"--to {quote(directory)}"] if directory not in {"", site.certificates} else []
    return " ".join(["smtpcreds cert issue", quote(row.host), *role, *more, *to, "--force"])


def lifetime_of(days: int) -> timedelta:
    """Return the lifetime."""
    if not 1 <= days <= MAX_DAYS:
        raise UsageError("--days", f"takes 1 to {MAX_DAYS} days, not {days}")
    return timedelta(days=days)


# A single file that a person wants written somewhere.


def verify_target(path: str | None, *, force: bool) -> None:
    """Accept the path of a file to be written; None, which is standard output, always."""
    if path is None:
        return
    require_directory(path)
    check_parents(path)
    if check_target(path) and not force:
        raise ExistsError(path, "exists and was not changed", "--force to replace it")


# The inventory, to look at it only; light enough for the quick verbs.


def has_inventory(site: Site) -> bool:
    """Tell whether there is an inventory to read; one that a killed run was making counts as none."""
    try:
        with reading(site):
            return True
    except MissingInputError:
        return False
    except SmtpcredsError:  # whoever reads it is told
        return True


@contextmanager
def reading(site: Site) -> Iterator[Inventory]:
    """Open the inventory to look at it; one that this run has open is shared, be it a transaction's.

    Raises:
        MissingInputError: there is none yet.
    """
    place, open_ones = f"open inventory {site.inventory}", disk().held
    held = open_ones.get(place)
    if isinstance(held, Inventory):
        yield held
        return
    if not is_url(site.inventory) and not exists(site.inventory):
        raise without_inventory(site)
    with open_inventory(site.inventory, machine=site.machine, read_only=True) as inventory:
        open_ones[place] = inventory
        try:
            yield inventory
        finally:
            open_ones.pop(place, None)


@contextmanager
def sharing(site: Site) -> Iterator[None]:
    """Keep the inventory open for the block, so that all that look at it share it; a faulty one they name."""
    with ExitStack() as stack:
        with suppress(SmtpcredsError):
            stack.enter_context(reading(site))
        yield


# What a verb that only looks says of CRLs that are due.

CURE_CRL = "smtpcreds ca crl"
"""Signs a CRL, and installs it with bundle and links in every directory; what was interrupted, it settles."""


CURE_EARLY = "smtpcreds ca rollover --clock-was-ahead"
"""Replaces an authority that was made under a clock that was ahead, and is not valid yet."""


def cure_crl(period: Period, now: datetime, authority: datetime | None = None) -> str:
    """Return what to do about a CRL that is not current; one of the future keeps others from being signed.

    Args:
        period: of the CRL.
        now: aware.
        authority: when the authority begins, which signs nothing before; None where that is not known.
    """
    if authority and now < authority:
        return CURE_EARLY
    return f"{CURE_CRL} --force" if now < period.begin else CURE_CRL


def warn_of_crls(site: Site, inventory: Inventory) -> None:
    """Warn of every CRL of a signing authority that expired, or has less than a third of its life left."""
    for authority in inventory.authorities():
        latest = inventory.latest_crl(authority.id)
        if authority.state is AuthorityState.CURRENT and latest:
            period, now = Period(latest.this_update, latest.next_update), site.clock()
            if said := crl_fault(period, now) or period.remark(now):
                site.warn(f"{authority.name}: the CRL {said}; sign a new one: {cure_crl(period, now)}")
