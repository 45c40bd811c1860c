"""CRLs signed in time, those of superseded CAs too, and brought to every directory with the CA bundle."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from ..config import Site
from ..errors import (
    DataError,
    ExistsError,
    MissingInputError,
    SmtpcredsError,
    UnsafePathError,
    UsageError,
    half_done,
)
from ..files import (
    check_directory,
    check_parents,
    check_target,
    read_if_there,
    read_private,
    read_target,
    require_directory,
    sweep,
    sweep_target,
    write_all,
)
from ..inventory.inventory import Inventory
from ..lazy import dataclass
from ..model import Artifact, Link
from ..pki.crl import may_sign_crls, read_crl
from ..pki.encoding import blocks
from ..pki.names import title
from ..pki.values import Certificate, Issuer
from ..transaction import Transaction
from .above import taken, warn_of_faults
from .altered import revoke_again
from .authority import CA, OF_CA, Listed, SupersededCA, short_id
from .crl import NewCrl, crl_is_due, crl_is_stale, next_crl, owes_crl, record_crl, signed_elsewhere
from .directory import directories, trust_changes, unknown_directories
from .layout import CURE_EARLY, lifetime_of, reading
from .reload import Hook, owe, tell
from .root import RootKey, lacks_root_crl, last_root_crl, new_root_crl, warn_of_no_root_crl
from .state import row_of

# The CRLs beside the certificates, in every directory that holds some; and the CA bundle with them.

Missing = dict[str, list[Artifact | Link]]
"""Directory to what it lacks of bundle, CRLs and links."""


@dataclass(frozen=True)
class Published:
    """A CRL that is in place: whose and what, where it is kept, and its copies beside certificates."""

    issuer: Certificate
    crl: NewCrl
    path: str
    copies: tuple[str, ...]


def publish(
    work: Transaction, issuer: Issuer, *, number: int | None = None, lifetime: timedelta | None = None
) -> Published:
    """Sign a CRL, install it with the authority and beside its certificates, and record it.

    Args:
        work: where.
        issuer: whose CRL.
        number: taken already; None takes the next one.
        lifetime: None is that of the configuration.
    """
    certificate = issuer.certificate
    authority = work.row(certificate)
    more = revoke_again(work.site, work.inventory, work.ca, authority)
    crl = next_crl(work.site, work.inventory, authority, issuer, number=number, lifetime=lifetime, more=more)
    lists = work.ca.crl_lists({certificate: crl.pem})
    beside = _missing(work, lists)
    files = work.ca.files_of(certificate)
    kept = files.crl
    _clean([*beside, files.directory])
    write_all([Artifact(kept, crl.pem), *_all(beside)])
    work.published()
    record_crl(work.inventory, authority, crl)
    name = next(item.name for item in lists if item.issuer == certificate)
    return Published(certificate, crl, kept, tuple(f"{directory}/{name}" for directory in beside))


def take_crls(work: Transaction) -> None:
    """Put beside the authority what another host that shares the inventory has signed for it since."""
    for certificate in (work.ca.certificate, *(old.certificate for old in work.ca.superseded_cas)):
        row = row_of(work.inventory, certificate) if work.site.machine else None
        pem = signed_elsewhere(work.inventory, work.ca, row) if row else None
        if pem is not None:
            write_all([Artifact(work.ca.files_of(certificate).crl, pem)])


def keep_fresh(work: Transaction, issuer: Issuer) -> Published | None:
    """Sign and install a CRL if there is none, if it is due, or if it is a day old."""
    is_stale = crl_is_stale(work.site, work.inventory, work.ca, work.row(issuer.certificate))
    return publish(work, issuer) if is_stale else None


def refresh_superseded_crls(
    work: Transaction, *, every: bool = False, lifetime: timedelta | None = None
) -> list[Published]:
    """Sign the CRLs of superseded CAs that are due, since an expired one stops all mail; return them.

    A superseded CA whose key can't be used gets a warning: the authority that signs goes on without it.

    Args:
        work: where; its passphrase opens the keys of superseded CAs too.
        every: also those that are not due.
        lifetime: None is that of the configuration.
    """
    done = []
    for superseded_ca in work.ca.superseded_cas:
        if owes_crl(superseded_ca.certificate, work.now) and (
            every or _superseded_is_due(work.site, work.inventory, work.ca, superseded_ca)
        ):
            try:
                done.append(publish(work, work.issuer(superseded_ca.files), lifetime=lifetime))
            except SmtpcredsError as error:
                work.warn(f"{error}; the CRL of this old authority was not signed anew")
    return done


def superseded_crls_are_due(site: Site, inventory: Inventory, ca: CA) -> bool:
    """Tell whether any superseded CA needs a new CRL."""
    return any(
        owes_crl(superseded_ca.certificate, site.clock())
        and _superseded_is_due(site, inventory, ca, superseded_ca)
        for superseded_ca in ca.superseded_cas
    )


def stale_copies(work: Transaction) -> Missing:
    """Return the directories that lack something of what the authority has, with what they lack."""
    found = _missing(work, work.ca.crl_lists())
    return {directory: artifacts for directory, artifacts in found.items() if artifacts}


def copy(beside: Missing) -> None:
    """Install what the directories lack."""
    _clean(beside)
    write_all(list(_all(beside)))


def _superseded_is_due(site: Site, inventory: Inventory, ca: CA, superseded_ca: SupersededCA) -> bool:
    row = row_of(inventory, superseded_ca.certificate)
    return row is None or crl_is_due(site, inventory, ca, row)


def _missing(work: Transaction, lists: Iterable[Listed]) -> Missing:
    """Return what each directory lacks; one that can't be looked at lets the run fail at its end.

    Of those that others can change it only warns.
    """
    ca, belonging = work.ca, tuple(lists)
    found: Missing = {}
    for unknown in unknown_directories(work.site, work.inventory):
        work.warn(f"{unknown}; no CRL was installed there; if it is right: {unknown.hint}")
    for directory in directories(work.site, work.inventory):
        try:
            check_directory(directory)
            found[directory] = trust_changes(directory, ca.trusted, belonging, ca.distrusted)
        except UnsafePathError as error:
            work.warn(f"{error}; no CRL was installed in {directory}")
        except SmtpcredsError as error:
            work.fail_late(half_done(error, f"no CRL was installed in {directory}"))
    return found


def _clean(directories: Iterable[str]) -> None:
    for directory in directories:
        sweep(directory)


def _all(beside: Missing) -> Iterator[Artifact | Link]:
    return (artifact for artifacts in beside.values() for artifact in artifacts)


# A fresh CRL on request, and a look at the one there is.


@dataclass(frozen=True)
class CrlWish:
    """What ``ca crl`` is asked for.

    Attributes:
        days: lifetime; None is that of the configuration.
        copy: absolute path of one more copy, mode 0644.
        der: write that copy as DER.
        force: the clock was ahead when the last CRL was signed.
        above: absolute paths of CRLs of the CAs above, which others sign.
    """

    days: int | None = None
    copy: str | None = None
    der: bool = False
    force: bool = False
    above: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.days is not None:
            lifetime_of(self.days)
        if self.der and self.copy is None:
            raise UsageError("--der", "is the form of a copy", "add --to FILE; mail servers read PEM")


@dataclass(frozen=True)
class CrlStanding:
    """What the CRL on disk says."""

    path: str
    number: int | None
    this_update: datetime
    next_update: datetime | None
    count: int


def refresh_crl(
    work: Transaction, wish: CrlWish, *, root: RootKey | None = None, hook: Hook | None = None
) -> Published:
    """Sign a fresh CRL of the authority and of each superseded CA, and install them beside certificates.

    Args:
        work: where.
        wish: lifetime, and a copy.
        root: the key of the CA above; its CRL is signed anew where this names a file, or where there is none.
        hook: tells the mail server.
    """
    certificate = work.ca.chain[0]
    _verify_may_sign(certificate)
    lifetime = None if wish.days is None else lifetime_of(wish.days)
    for path in _copied(work.ca, wish):
        _verify_copy(path)
    above = taken(work, wish.above)
    work.clock_was_ahead = wish.force
    goes_without = wish.force and bool(work.ca.superseded_cas) and work.now < certificate.not_valid_before_utc
    issuer = None if goes_without else work.issuer()
    owe(work, hook)
    write_all(above)
    _refresh_root_crl(work, root or RootKey())
    warn_of_faults(work)
    if wish.force:
        _sign_last_crls_again(work)
    former = refresh_superseded_crls(work, every=True, lifetime=lifetime)
    done = publish(work, issuer, lifetime=lifetime) if issuer else _of_former(work, former)
    for path, content in _copies(work.ca, wish, done.crl):
        sweep_target(path)
        write_all([Artifact(path, content, 0o644)])
    work.record("ca crl", title(done.issuer), f"number {done.crl.number}")
    tell(work, hook)
    return done


def _of_former(work: Transaction, former: Sequence[Published]) -> Published:
    """Return the CRL of a superseded CA, where the authority itself is not valid yet and can sign none."""
    if not former:
        work.issuer()  # says why
    begin = work.ca.certificate.not_valid_before_utc
    work.warn(
        f"{title(work.ca.certificate)}: is not valid before {begin:%Y-%m-%d %H:%M} UTC, so it signs no CRL; "
        f"{CURE_EARLY}"
    )
    return former[0]


def sign_last_crl(work: Transaction, former: SupersededCA) -> None:
    """Sign a CRL that lasts as long as the CA that goes, for whoever is shown its certificates."""
    if not may_sign_crls(former.certificate):
        return
    try:
        lifetime = former.certificate.not_valid_after_utc - work.now
        publish(work, work.issuer(former.files), lifetime=lifetime)
    except SmtpcredsError as error:
        work.warn(f"{error}; the last CRL of this old authority ends as it is")


def _sign_last_crls_again(work: Transaction) -> None:
    """Sign the last CRLs of retired authorities anew that are not valid yet."""
    for former in work.ca.shown:
        content = read_if_there(former.files.crl)
        if content and work.now < read_crl(content, former.files.crl, former.certificate).this_update:
            sign_last_crl(work, former)


def _verify_may_sign(certificate: Certificate) -> None:
    if not may_sign_crls(certificate):
        reason = "may not sign CRLs (keyUsage lacks cRLSign)"
        raise DataError(title(certificate), reason, "to make one that may: smtpcreds ca rollover")


def _copied(ca: CA, wish: CrlWish) -> Iterator[str]:
    """Yield the paths of the copies, as far as the CAs are known before the run."""
    if wish.copy is not None and OF_CA in wish.copy:
        yield from (wish.copy.replace(OF_CA, short_id(item.issuer)) for item in ca.crl_lists())
    elif wish.copy is not None:
        yield wish.copy


def _verify_copy(path: str) -> None:
    """Accept the path of a copy, which takes the place of another CRL and of nothing else.

    Raises:
        ExistsError: something else is there.
    """
    require_directory(path)
    check_parents(path)
    if not check_target(path):
        return
    try:
        read_crl(read_target(path), path, None)
    except DataError:
        raise ExistsError(path, "is no CRL and was not changed", "name another file") from None


def _copies(ca: CA, wish: CrlWish, crl: NewCrl) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each copy for a web server: of every CA where the path tells them apart."""
    if wish.copy is None:
        return
    if OF_CA not in wish.copy:
        yield wish.copy, crl.der if wish.der else crl.pem
        return
    for item in ca.crl_lists():
        der = next((block.decode() for block in blocks(item.content)), None) if wish.der else None
        yield wish.copy.replace(OF_CA, short_id(item.issuer)), der or item.content


def _refresh_root_crl(work: Transaction, root: RootKey) -> None:
    """Sign the root's CRL where it is missing, or where the key was named for it."""
    path = root.find(work.ca)
    if root.path and len(work.ca.chain) == 1:
        raise UsageError("--root-key", "is not needed: the authority is a root itself")
    is_ahead = work.clock_was_ahead and _root_crl_is_ahead(work)
    if not (root.path or is_ahead or lacks_root_crl(work.ca)):
        return
    if path is None:
        warn_of_no_root_crl(work, is_ahead=is_ahead)
        return
    crl = new_root_crl(work.site, root.open(work, path), last_root_crl(work), force=work.clock_was_ahead)
    write_all([Artifact(work.ca.files.root_crl, crl.pem)])


def _root_crl_is_ahead(work: Transaction) -> bool:
    last = last_root_crl(work) if len(work.ca.chain) > 1 else None
    return last is not None and work.now < last.this_update


def standing_crl(site: Site) -> CrlStanding:
    """Return what the authority's CRL says; no key is touched."""
    ca = CA(site)
    issuer, path = ca.certificate, ca.files.crl
    _verify_may_sign(issuer)
    try:
        found = read_crl(read_private(path), path, issuer)
    except MissingInputError as error:
        raise MissingInputError(path, error.reason, "smtpcreds ca crl") from None
    return CrlStanding(path, found.number, found.this_update, found.next_update, found.count)


def is_current(site: Site) -> bool:
    """Tell whether the CRL is the newest, and has more than a third of its life left."""
    ca = CA(site)
    with reading(site) as inventory:
        authority = row_of(inventory, ca.certificate)
        due = authority is None or crl_is_due(site, inventory, ca, authority)
        return not due and not superseded_crls_are_due(site, inventory, ca)
