"""Does what is installed work: each thing that a mail server or its peers would stumble over, by name."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import cached_property, partial

from ..config import Site
from ..errors import DamagedFileError, DataError, MissingInputError, SmtpcredsError, UnsafePathError
from ..files import (
    check_directory,
    exclusive,
    exists,
    is_directory,
    link_target,
    names_in,
    one_walk_for_neighbours,
    read_certificate,
    read_private,
    temporaries,
)
from ..inventory.chain import Chain, Head
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityState, CrlRow, State
from ..inventory.rows import CertificateRow as Row
from ..jobs import from_the_end
from ..lazy import dataclass
from ..model import Finding, Link, as_finding
from ..pki.chains import climb, is_issued_by, verify_chain, way_up
from ..pki.dates import Period
from ..pki.describe import fingerprint, purposes_of
from ..pki.encoding import parse_certificates
from ..pki.keys import decode_key, public_id
from ..pki.names import title
from ..pki.pair_rules import another_key, certificate_of, held_names, name_fault, period_of, role_fault
from ..pki.profiles import Profile, Purpose, parse_profile
from ..pki.revocation import revoked_on
from ..pki.values import Certificate
from ..progress import counted
from ..shell import quote
from .above import CURE_ABOVE, LACKS, lacking, revoked
from .altered import CURE_EVENTS, rows_of_no_authority, rows_that_differ
from .altered import findings as altered
from .authority import CA
from .crl import crl_fault, crl_says, owes_crl
from .directory import (
    bundled,
    directories,
    rows_here,
    trust,
    trust_directory_changes,
    unknown_directories,
)
from .layout import (
    BUNDLE,
    CRL,
    CURE_CRL,
    LOST,
    RESTORE,
    CaFiles,
    Pair,
    beginning,
    bundle_again,
    cure_crl,
    cure_missing,
    has_lost,
    is_bare,
    is_client_host,
    reading,
)
from .lookup import Found, installed_pair, read_file
from .old import RENEW_UNKNOWN, RETIRE_OLD, of_unknown_use
from .root import lacks_root_crl
from .state import row_of


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: its name, what is right about it, and the finding where it is not."""

    name: str
    detail: str
    finding: Finding | None = None

    @property
    def ok(self) -> bool:
        """Tell whether it is right."""
        return self.finding is None


@dataclass(frozen=True)
class Subject:
    """What is checked.

    Attributes:
        found: the certificate, with its file and what the inventory knows.
        pair: where its key is; None where only a certificate is checked.
        host: that it must be for; None where nobody said.
        profile: the roles that it must have; None where nobody said.
    """

    site: Site = field(repr=False)
    found: Found
    pair: Pair | None
    host: str | None
    profile: Profile | None

    @property
    def certificate(self) -> Certificate:
        """The certificate that is checked."""
        return self.found.certificate

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The same as roles in TLS."""
        return self.profile.purposes if self.profile else ()

    def refuse(self, fault: str | None) -> None:
        """Raise DataError for a fault of the certificate."""
        if fault:
            raise DataError(title(self.certificate), fault)

    @property
    def directory(self) -> str:
        """Where bundle and CRL are looked for."""
        return self.pair.directory if self.pair else self.site.certificates


def _pair_for(site: Site, which: str) -> str:
    if is_client_host(site) and "/" not in which:
        return bundle_again(site, site.qualify(which), "--new-key")
    if is_bare(site):
        return beginning(site)
    is_path = "/" in which or which.startswith("-")
    return "smtpcreds cert list" if is_path else f"smtpcreds cert issue {quote(which)}"


def subject(
    site: Site, which: str, path: str, *, host: str | None = None, profile: str | None = None
) -> Subject:
    """Return what a person wants checked: the installed pair of a host, or a file.

    A file that is named like the certificate of a pair is checked with its key.

    Args:
        site: where.
        which: host or file, as typed.
        path: the word as an absolute path.
        host: the name that it must be for; None is the host typed, else what the inventory says.
        profile: name of the roles; None is what the inventory says, else what the certificate allows.

    Raises:
        MissingInputError: no such pair, and no such file.
    """
    installed = None if "/" in which else installed_pair(site, which)
    if installed is None and (not exists(path) or is_directory(path)):
        reason = f"has no certificate in {site.certificates}, and there is no such file"
        raise MissingInputError(which, reason, _pair_for(site, which))
    found = read_file(site, installed.certificate if installed else path)
    pair = found.pair if found.pair and found.pair.certificate == found.path else None
    roles = profile or (found.row.profile if found.row else None)
    name = host or (which if installed else None)
    wanted = site.qualify(name, wildcard=True) if name else found.row.host if found.row else None
    return Subject(site, found, pair, wanted, parse_profile(roles) if roles else None)


def verify(subject: Subject) -> list[Check]:
    """Run every check that applies; none of them raises."""
    checks: list[tuple[str, Callable[[], str]]] = []
    if subject.pair:
        checks += [("files", partial(_files, subject.pair))]
        checks += [("key", partial(_key, subject.pair, subject.certificate))]
    checks += [(name, partial(check, subject)) for name, check in _CHECKS]
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, check())
    except SmtpcredsError as error:
        return Check(name, f"{error}{f' ({error.hint})' if error.hint else ''}", as_finding(error, code=name))


def _files(pair: Pair) -> str:
    check_directory(pair.directory)
    beside = (f"{pair.directory}/{name}" for name in (BUNDLE, CRL))
    read_private(pair.key)
    for path in (pair.certificate, *filter(exists, beside)):
        read_certificate(path)
    return f"{pair.directory} and its files are closed to others"


def _key(pair: Pair, certificate: Certificate) -> str:
    key = decode_key(read_private(pair.key), None, pair.key)
    certificate_of(key, [certificate], pair.key, pair.certificate)
    return f"{pair.key} belongs to the certificate"


def _dates(subject: Subject) -> str:
    period, now = period_of(subject.certificate), subject.site.clock()
    subject.refuse(period.fault(now))
    return period.rest(now)


def _names(subject: Subject) -> str:
    subject.refuse(name_fault(subject.certificate, [subject.host] if subject.host else []))
    return held_names(subject.certificate) or "no name"


def _roles(subject: Subject) -> str:
    allowed = purposes_of(subject.certificate)
    subject.refuse(role_fault(subject.certificate, subject.purposes))
    subject.refuse(None if allowed else "is not for TLS (extendedKeyUsage)")
    return " and ".join(purpose.value for purpose in allowed)


def _chain(subject: Subject) -> str:
    """The dates and roles of the certificate itself are other checks."""
    leaf, others, roots = subject.certificate, subject.found.others, bundled(subject.directory)
    path = verify_chain(leaf, others, roots, subject.site.clock(), subject.purposes, above_only=True)
    return way_up(path)


def _links(subject: Subject) -> str:
    missing = [link for link in trust(subject.directory, ()) if isinstance(link, Link)]
    if missing:
        path = missing[0].path
        raise DataError(path, f"does not lead to {BUNDLE}", f"ln -sfn {BUNDLE} {quote(path)}")
    return f"hash links lead to {BUNDLE}"


def _revocation(subject: Subject) -> str:
    row = subject.found.row
    if row and row.state is State.REVOKED:
        raise DataError(title(subject.certificate), f"is revoked in the inventory ({row.reason})")
    above = climb(subject.certificate, (*subject.found.others, *bundled(subject.directory)))[1:-1]
    for authority in above:
        crl_says(subject.site, authority, subject.directory)
    return crl_says(subject.site, subject.certificate, subject.directory)


_CHECKS: tuple[tuple[str, Callable[[Subject], str]], ...] = (
    ("dates", _dates),
    ("names", _names),
    ("roles", _roles),
    ("chain", _chain),
    ("links", _links),
    ("revocation", _revocation),
)


# Where inventory and disk disagree; looked at while nobody writes, and nothing is changed.

_SUFFIX = "-cert.pem"


@dataclass(frozen=True)
class Scene:
    """What is compared."""

    site: Site
    inventory: Inventory
    ca: CA

    def authorities(self) -> Iterator[tuple[CaFiles, Certificate]]:
        """Yield the files and certificates of the authority that signs, and of superseded ones."""
        yield self.ca.files, self.ca.certificate
        yield from (
            (superseded_ca.files, superseded_ca.certificate) for superseded_ca in self.ca.superseded_cas
        )

    @cached_property
    def expected(self) -> Mapping[str, Row]:
        """The certificates in use on this host by the stems of their pairs."""
        rows = self.inventory.listing(latest=True, expires_after=self.site.clock())
        return {self.site.root.locate(row.directory): row for row in rows_here(self.site, rows)}

    @cached_property
    def differing(self) -> list[tuple[Row, Finding]]:
        """The rows that say other than their certificates, and what."""
        return list(rows_that_differ(self.inventory))

    @cached_property
    def _doubtful(self) -> frozenset[str | None]:
        return frozenset(row.fingerprint for row, _ in self.differing)

    def proven(self, pair: Pair) -> Row | None:
        """Return the row of what should be in this place, if it says what its certificate does."""
        row = self.expected.get(pair.stem)
        return row if row and row.fingerprint and row.fingerprint not in self._doubtful else None

    @cached_property
    def retired(self) -> frozenset[int]:
        """Authorities that nobody is to trust, by their rows."""
        return frozenset(r.id for r in self.inventory.authorities() if r.state is AuthorityState.RETIRED)

    def issue(self, host: str, pair: Pair) -> str:
        """Return the command that puts a new pair there."""
        if is_client_host(self.site):
            return cure_missing(self.site, pair.key, host)
        to = "" if pair.directory == self.site.certificates else f" --to {quote(pair.directory)}"
        return f"smtpcreds cert issue {quote(host)}{to} --force"


def findings(site: Site, noted: str = "") -> tuple[list[Finding], Head | None]:
    """Return every disagreement, and the head of the chain of events, None where it can't be read.

    Args:
        site: where.
        noted: a head of the chain that was seen before; empty for none.
    """
    try:
        with reading(site) as inventory, exclusive(site.lock):
            inventory.verify_integrity()
            scene = Scene(site, inventory, CA(site))
            chain = inventory.chain(noted)
            found = [finding for check in CHECKS for finding in check(scene)]
            return [*_unchained(site, chain, noted), *found], chain.head
    except (DamagedFileError, UnsafePathError) as error:
        return [as_finding(error)], None


def _unchained(site: Site, chain: Chain, noted: str) -> Iterator[Finding]:
    """Yield what shows that somebody wrote to the record of events past this program."""
    if chain.broken:
        number, event = chain.broken
        more = f"; {chain.later} more after it" * bool(chain.later)
        deed = "which can't be read"
        if event:
            deed = f"{event.what} {event.subject} by {event.who} at {event.at:%Y-%m-%d %H:%M:%S}"
        reason = f"({deed}) does not follow from the one before: altered, moved, or some were deleted{more}"
        yield Finding(f"event {number}", reason, CURE_EVENTS)
    if not chain.has_noted:
        reason = f"has no event with the hash {noted}: altered, cut off, or an older state was put back"
        yield Finding(site.inventory, reason, CURE_EVENTS)


def missing(site: Site) -> list[Finding]:
    """Return what is in use by the inventory and is not on disk; nobody who writes is waited for.

    The authority may be on another host where several share the inventory.
    """
    if has_lost(site):
        return [Finding(site.ca_directory, LOST, RESTORE)]
    with reading(site) as inventory:
        scene = Scene(site, inventory, CA(site))
        is_hub = scene.ca.is_there
        if not is_hub and not is_client_host(site):
            return [] if site.settings.inventory else list(_without_files(scene, frozenset()))
        return [*(authorities_recorded(scene) if is_hub else ()), *_missing(scene)]


def unfinished(scene: Scene) -> Iterator[Finding]:
    """What killed runs left; the next command that writes settles it."""
    for row in scene.inventory.pending():
        yield Finding(row.host, f"certificate {row.serial[:16]} was begun by an interrupted run", CURE_CRL)
    site = scene.site
    for directory in (site.state, site.ca_directory, *directories(site, scene.inventory)):
        for path in temporaries(directory):
            yield Finding(path, "was left by an interrupted run", CURE_CRL)


def authorities_recorded(scene: Scene) -> Iterator[Finding]:
    """Each authority on disk has its row, and each row that is not retired its files."""
    present = [certificate for _, certificate in scene.authorities()]
    rows = [row_of(scene.inventory, certificate) for certificate in present]
    for certificate, row in zip(present, rows, strict=True):
        if row is None:
            yield Finding(title(certificate), "is an authority that the inventory does not know", CURE_CRL)
    yield from _without_files(scene, frozenset(row.id for row in rows if row))


def _without_files(scene: Scene, known: frozenset[int]) -> Iterator[Finding]:
    ca, more = scene.ca, f", so {_NO_MORE}" * scene.ca.is_there
    unknown = of_unknown_use(scene.inventory, ca, scene.site.clock()) if ca.is_there else []
    for row in scene.inventory.authorities():
        end = f" {RENEW_UNKNOWN}" if row.name in unknown else f": {RETIRE_OLD}"
        if row.state is AuthorityState.CURRENT and row.id not in known:
            yield Finding(
                row.name,
                f"is in the inventory (key identifier {row.ski[:16]}), but its files are not on disk{more}",
                "put them back from a backup" + f", or{end}" * ca.is_there,
            )


_NO_MORE = "it signs no CRL any more, and what it signed is refused once its last one ends"


def by_the_server(scene: Scene) -> Iterator[Finding]:
    """The directories of pairs are known to this host, and not to the inventory's server alone."""
    for unknown in unknown_directories(scene.site, scene.inventory):
        yield as_finding(unknown)


def private(scene: Scene) -> Iterator[Finding]:
    """Directories are 0700, and files of the authority 0600."""
    site = scene.site
    below = (files.directory for files, _ in scene.authorities())
    for directory in dict.fromkeys((site.state, *below, *directories(site, scene.inventory))):
        yield from _directory_faults(directory)
    for files, _ in scene.authorities():
        for name in sorted(names_in(files.directory)):
            path = f"{files.directory}/{name}"
            if not is_directory(path) or (link_target(path) is not None):
                yield from _file_faults(path)


def _directory_faults(directory: str) -> Iterator[Finding]:
    try:
        check_directory(directory)
    except SmtpcredsError as error:
        yield as_finding(error)
        return
    if (mode := os.stat(directory).st_mode & 0o777) & 0o077:
        yield Finding(
            directory, f"has mode {mode:04o}; others may look into it", f"chmod 0700 {quote(directory)}"
        )


def _file_faults(path: str) -> Iterator[Finding]:
    try:
        read_private(path)
    except SmtpcredsError as error:
        yield as_finding(error)


def crls(scene: Scene) -> Iterator[Finding]:
    """Each authority's CRL is its own, valid, and the one that was recorded last."""
    for files, certificate in scene.authorities():
        now = scene.site.clock()
        if not owes_crl(certificate, now):
            continue
        latest = _recorded(scene, certificate)
        try:
            fault = crl_fault(read_private(files.crl), files.crl, certificate, latest, now)
        except SmtpcredsError as error:
            yield Finding(error.subject, error.reason, CURE_CRL)
        else:
            if fault:
                yield Finding(files.crl, fault, _cure(latest, now, certificate.not_valid_before_utc))


def _cure(latest: CrlRow | None, now: datetime, begin: datetime) -> str:
    return cure_crl(Period(latest.this_update, latest.next_update), now, begin) if latest else CURE_CRL


def root_crl(scene: Scene) -> Iterator[Finding]:
    """The CAs above have a CRL, which verifiers that ask for all want, and it does not list our chain."""
    if lacks_root_crl(scene.ca):
        cure = CURE_CRL if exists(scene.ca.files.root_key) else f"{CURE_CRL} --root-key FILE"
        fault = "has no CRL, so curl and Exim with OpenSSL refuse all below it"
        yield Finding(title(scene.ca.chain[1]), fault, cure)
    yield from (Finding(title(above), LACKS, CURE_ABOVE) for above in lacking(scene.ca))
    yield from revoked(scene.ca)


def published(scene: Scene) -> Iterator[Finding]:
    """Nothing beside certificates is newer than the state directory, as after a backup was put back."""
    yield from altered(scene.site, scene.inventory, scene.ca)


def _recorded(scene: Scene, certificate: Certificate) -> CrlRow | None:
    row = row_of(scene.inventory, certificate)
    return scene.inventory.latest_crl(row.id) if row else None


def explained(scene: Scene) -> Iterator[Finding]:
    """Certificates stand as events and signatures say, unless somebody wrote past the program."""
    for row in scene.inventory.unexplained():
        yield Finding(row.host, f"certificate {row.serial} is {row.state}; {_OTHERWISE}", CURE_EVENTS)
    for event in scene.inventory.without_row():
        reason = f"({event.what}, {event.at:%Y-%m-%d}) is not in the inventory; {_OTHERWISE}"
        yield Finding(
            event.subject, f"certificate {event.detail.removeprefix('serial ')} {reason}", CURE_EVENTS
        )
    yield from (finding for _, finding in scene.differing)
    yield from rows_of_no_authority(scene.inventory, scene.ca, scene.site.clock())


_OTHERWISE = "the record of events says otherwise"


def installed(scene: Scene) -> Iterator[Finding]:
    """Bundle, CRLs and hash links beside the pairs are those of the authority."""
    site = scene.site
    for directory in directories(site, scene.inventory):
        if not names_in(directory):
            continue
        try:
            wrong = trust_directory_changes(scene.ca, directory)
        except SmtpcredsError as error:
            yield as_finding(error)
            continue
        for item in wrong:
            yield Finding(item.path, "is missing, or is not what the authority has now", CURE_CRL)


def pairs(scene: Scene) -> Iterator[Finding]:
    """Each certificate in use is on disk, and each on disk is in use.

    A directory of ``--to`` that is gone was taken to its host, so nothing is missed there.
    Pairs of other hosts that share the inventory are theirs to look at.
    """
    yield from _missing(scene)
    for directory in directories(scene.site, scene.inventory):
        stems = (name.removesuffix(_SUFFIX) for name in names_in(directory) if name.endswith(_SUFFIX))
        yield from _faults_in(scene, [Pair(f"{directory}/{stem}") for stem in stems])


def _faults_in(scene: Scene, pairs: Sequence[Pair]) -> list[Finding]:
    """Return the faults of pairs; another process looks for sound ones from the last on."""
    rows, retired = [scene.proven(pair) for pair in pairs], scene.retired

    def sound(number: int) -> str:
        row = rows[number]
        is_sound = row is not None and row.authority not in retired and _is_of_row(pairs[number], row)
        return "sound" if is_sound else ""

    with from_the_end(len(pairs), sound, one_walk_for_neighbours) as take, one_walk_for_neighbours():
        unsound = (
            pair
            for number, pair in counted(enumerate(pairs), len(pairs))
            if not (take(number) or sound(number))
        )
        return [finding for pair in unsound for finding in _faults(scene, pair)]


def _is_of_row(pair: Pair, row: Row) -> bool:
    """Tell whether both files are those of a row that says what its certificate does, and that is in use."""
    try:
        content = read_certificate(pair.certificate)
        found = parse_certificates(content, pair.certificate, row.fingerprint).certificates[0]
        key = decode_key(read_private(pair.key), None, pair.key)
    except SmtpcredsError:
        return False
    is_same = fingerprint(found) == row.fingerprint and public_id(key) == row.key_id
    return is_same and row.state is State.ISSUED


def _missing(scene: Scene) -> Iterator[Finding]:
    expected = [(Pair(stem), row) for stem, row in scene.expected.items()]
    there = {place: _names_in(scene, place) for place in {pair.directory for pair, _ in expected}}
    for pair, row in expected:
        if (names := there[pair.directory]) is None:
            continue
        for path in (pair.key, pair.certificate):
            if os.path.basename(path) not in names:
                yield Finding(path, f"is missing; {row.host} has no whole pair", scene.issue(row.host, pair))


def _names_in(scene: Scene, directory: str) -> frozenset[str] | None:
    """Return what is in a directory of pairs; None for one of ``--to`` that is gone."""
    if is_directory(directory):
        return frozenset(names_in(directory))
    return frozenset() if directory == scene.site.certificates else None


def _faults(scene: Scene, pair: Pair) -> Iterator[Finding]:
    proven = scene.proven(pair)
    try:
        known = proven.fingerprint if proven else None
        content = read_certificate(pair.certificate)
        found = parse_certificates(content, pair.certificate, known).certificates[0]
        key_id = public_id(decode_key(read_private(pair.key), None, pair.key)) if exists(pair.key) else None
    except SmtpcredsError as error:
        yield as_finding(error)
        return
    row, identity = scene.expected.get(pair.stem), fingerprint(found)
    host = row.host if row else title(found)
    if fault := _standing_fault(scene, pair, found, identity):
        yield Finding(pair.certificate, fault, scene.issue(host, pair))
    wanted = proven.key_id if proven and proven.fingerprint == identity else None
    if key_id and key_id != (wanted or public_id(found)):
        yield Finding(pair.key, another_key(pair.certificate), scene.issue(host, pair))


def _standing_fault(scene: Scene, pair: Pair, found: Certificate, identity: str) -> str | None:
    """Return why this certificate should not be the one in this place, or None."""
    row = scene.expected.get(pair.stem)
    if row is None or row.fingerprint != identity:
        row = next((row for row in scene.inventory.find(identity) if row.fingerprint), None)
    if row is None:
        ours = any(is_issued_by(found, ca) for ca in scene.ca.trusted)
        return "was signed by this authority, but is not in the inventory" if ours else None
    if row.state is State.REVOKED and row.revoked_at:
        is_shut_out = pair.directory == scene.site.hosts
        return None if is_shut_out else revoked_on(row.revoked_at, row.reason or "")
    if row.state is State.DISCARDED:
        return f"was abandoned ({row.reason})"
    if row.authority in scene.retired:
        return "was signed by an authority that is retired, so it must not be trusted"
    newer = scene.expected.get(pair.stem)
    if newer and newer.fingerprint != row.fingerprint:
        return f"was superseded by serial {newer.serial[:16]}, which is not there"
    return None


CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    unfinished,
    authorities_recorded,
    by_the_server,
    private,
    crls,
    root_crl,
    published,
    explained,
    installed,
    pairs,
)
