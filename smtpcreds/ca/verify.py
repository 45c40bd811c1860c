"""Does what is installed work: each thing that a mail server or its peers would stumble over, by name."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256

from ..config import Site
from ..errors import DamagedFileError, DataError, MissingInputError, SmtpcredsError, UnsafePathError
from ..files import (
    check_directory,
    exclusive,
    exists,
    is_directory,
    link_target,
    names_in,
    read_private,
    temporaries,
)
from ..inventory.port import Inventory
from ..inventory.rows import AuthorityState, State
from ..inventory.rows import CertificateRow as Row
from ..model import Link
from ..names import covers
from ..pki.chains import climb, is_issued_by, verify_chain
from ..pki.crl import may_sign_crls, read_crl
from ..pki.describe import fingerprint, purposes_of
from ..pki.encoding import blocks, parse_certificates
from ..pki.keys import decode_key, matches
from ..pki.names import names_of, title
from ..pki.profiles import Profile, parse_profile
from ..pki.values import Certificate
from .authority import CA
from .crl import crl_says
from .directory import bundled, directories, trust, trust_directory_changes
from .layout import BUNDLE, CRL, CURE_ALL, CaFiles, Finding, Pair, as_finding, reading
from .lookup import Found, installed_pair, read_file
from .root import lacks_root_crl
from .state import row_of


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: its name, whether it is right, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
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
    def directory(self) -> str:
        """Where bundle and CRL are looked for."""
        return self.pair.directory if self.pair else self.site.certificates


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
    if installed is None and not exists(path):
        reason = f"has no certificate in {site.certificates}, and there is no such file"
        raise MissingInputError(which, reason, f"smtpcreds cert issue {which}")
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
        return Check(name, True, check())
    except SmtpcredsError as error:
        return Check(name, False, f"{error}{f' ({error.hint})' if error.hint else ''}")


def _files(pair: Pair) -> str:
    check_directory(pair.directory)
    beside = (f"{pair.directory}/{name}" for name in (BUNDLE, CRL))
    for path in (pair.key, pair.certificate, *filter(exists, beside)):
        read_private(path)
    return f"{pair.directory} and its files are closed to others"


def _key(pair: Pair, certificate: Certificate) -> str:
    if not matches(certificate, decode_key(read_private(pair.key), None, pair.key)):
        raise DataError(pair.key, f"is not the key of {pair.certificate}")
    return f"{pair.key} belongs to the certificate"


def _dates(subject: Subject) -> str:
    certificate, now = subject.certificate, subject.site.clock()
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        raise DataError(title(certificate), f"is not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if now > end:
        raise DataError(title(certificate), f"expired on {end:%Y-%m-%d %H:%M} UTC")
    return f"valid to {end:%Y-%m-%d}, {(end - now).days} days"


def _names(subject: Subject) -> str:
    """RFC 9525: the CN does not count."""
    names = names_of(subject.certificate)
    held = ", ".join((*names.dns_names, *map(str, names.addresses))) or "no name"
    host = subject.host
    if host and not any(host == name or covers(name, host) for name in names.dns_names):
        raise DataError(title(subject.certificate), f"is not for {host}; it holds {held}")
    return held


def _roles(subject: Subject) -> str:
    allowed = purposes_of(subject.certificate)
    missing = [p.value for p in (subject.profile.purposes if subject.profile else ()) if p not in allowed]
    if missing or not allowed:
        roles = " and ".join(f"TLS {role}s" for role in missing) or "TLS"
        raise DataError(title(subject.certificate), f"is not for {roles} (extendedKeyUsage)")
    return " and ".join(purpose.value for purpose in allowed)


def _chain(subject: Subject) -> str:
    """The dates of the certificate itself are another check."""
    certificate = subject.certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    at = min(max(subject.site.clock(), begin), end)
    purposes = subject.profile.purposes if subject.profile else ()
    path = verify_chain(certificate, subject.found.others, bundled(subject.directory), at, purposes)
    return " < ".join(map(title, path[1:])) or "trusted itself"


def _links(subject: Subject) -> str:
    missing = [link for link in trust(subject.directory, ()) if isinstance(link, Link)]
    if missing:
        path = missing[0].path
        raise DataError(path, f"does not lead to {BUNDLE}", f"ln -sfn {BUNDLE} {path}")
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


# Pairs of key and certificate: what the inventory says is installed, against what is.

_SUFFIX = "-cert.pem"


@dataclass(frozen=True, slots=True)
class _Look:
    """Everything that a comparison of one pair needs."""

    site: Site
    inventory: Inventory
    expected: Mapping[str, Row]
    authorities: tuple[Certificate, ...]
    retired: frozenset[int]

    def cure(self, host: str, pair: Pair) -> str:
        """Return the command that puts a new pair there."""
        to = "" if pair.directory == self.site.certificates else f" --to {pair.directory}"
        return f"smtpcreds cert issue {host}{to} --force"


def pair_faults(site: Site, inventory: Inventory, ca: CA) -> Iterator[Finding]:
    """Yield what is wrong with pairs in use.

    A directory of ``--to`` that is gone was taken to its host, so nothing is missed there.
    Pairs of other hosts that share the inventory are theirs to look at.
    """
    rows = inventory.listing(latest=True, expires_after=site.clock())
    expected = {site.root.locate(row.directory): row for row in rows if row.is_on(site.machine)}
    gone = (row.id for row in inventory.authorities() if row.state is AuthorityState.RETIRED)
    look = _Look(site, inventory, expected, ca.trusted, frozenset(gone))
    for stem, row in expected.items():
        yield from _missing(look, Pair(stem), row)
    for directory in directories(site, inventory):
        for name in sorted(names_in(directory)):
            if name.endswith(_SUFFIX):
                yield from _faults(look, Pair(f"{directory}/{name.removesuffix(_SUFFIX)}"))


def _missing(look: _Look, pair: Pair, row: Row) -> Iterator[Finding]:
    if not is_directory(pair.directory) and pair.directory != look.site.certificates:
        return
    for path in (pair.key, pair.certificate):
        if not exists(path):
            yield Finding(path, f"is missing; {row.host} has no whole pair", look.cure(row.host, pair))


def _faults(look: _Look, pair: Pair) -> Iterator[Finding]:
    try:
        found = parse_certificates(read_private(pair.certificate), pair.certificate).certificates[0]
        key = decode_key(read_private(pair.key), None, pair.key) if exists(pair.key) else None
    except SmtpcredsError as error:
        yield as_finding(error)
        return
    host = title(found)
    if fault := _standing_fault(look, pair, found):
        yield Finding(pair.certificate, fault, look.cure(host, pair))
    if key is not None and not matches(found, key):
        yield Finding(pair.key, f"does not belong to {pair.certificate}", look.cure(host, pair))


def _standing_fault(look: _Look, pair: Pair, found: Certificate) -> str | None:
    """Return why this certificate should not be the one in this place, or None."""
    row = next((row for row in look.inventory.find(fingerprint(found)) if row.fingerprint), None)
    if row is None:
        ours = any(is_issued_by(found, ca) for ca in look.authorities)
        return "was signed by this authority, but is not in the inventory" if ours else None
    if row.state is State.REVOKED and row.revoked_at:
        return f"was revoked on {row.revoked_at:%Y-%m-%d} ({row.reason})"
    if row.state is State.DISCARDED:
        return f"was given up ({row.reason})"
    if row.authority in look.retired:
        return "was signed by an authority that is retired, so nobody is to trust it"
    newer = look.expected.get(pair.stem)
    if newer and newer.fingerprint != row.fingerprint:
        return f"was superseded by serial {newer.serial[:16]}, which is not there"
    return None


# Where inventory and disk disagree; looked at while nobody writes, and nothing is changed.


@dataclass(frozen=True, slots=True)
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


def findings(site: Site) -> list[Finding]:
    """Return every disagreement."""
    try:
        with reading(site) as inventory, exclusive(site.lock):
            inventory.verify_integrity()
            scene = Scene(site, inventory, CA(site))
            return [finding for check in CHECKS for finding in check(scene)]
    except (DamagedFileError, UnsafePathError) as error:
        return [as_finding(error)]


def unfinished(scene: Scene) -> Iterator[Finding]:
    """What killed runs left; the next command that writes settles it."""
    for row in scene.inventory.pending():
        yield Finding(row.host, f"certificate {row.serial[:16]} was begun by an interrupted run", CURE_ALL)
    site = scene.site
    for directory in (site.state, site.ca_directory, *directories(site, scene.inventory)):
        for path in temporaries(directory):
            yield Finding(path, "was left by an interrupted run", CURE_ALL)


def authorities_recorded(scene: Scene) -> Iterator[Finding]:
    """Each authority on disk has its row, and each row that is not retired its files."""
    present = [certificate for _, certificate in scene.authorities()]
    rows = [row_of(scene.inventory, certificate) for certificate in present]
    for certificate, row in zip(present, rows, strict=True):
        if row is None:
            yield Finding(title(certificate), "is an authority that the inventory does not know", CURE_ALL)
    known = {row.id for row in rows if row}
    for row in scene.inventory.authorities():
        if row.state is AuthorityState.CURRENT and row.id not in known:
            yield Finding(
                row.name,
                f"is in the inventory (key identifier {row.ski[:16]}), but its files are not on disk",
                "put them back from a backup, or: smtpcreds ca rollover --retire-old",
            )


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
        yield Finding(directory, f"has mode {mode:04o}; others may look into it", f"chmod 0700 {directory}")


def _file_faults(path: str) -> Iterator[Finding]:
    try:
        read_private(path)
    except SmtpcredsError as error:
        yield as_finding(error)


def crls(scene: Scene) -> Iterator[Finding]:
    """Each authority's CRL is its own, valid, and the one that was recorded last."""
    for files, certificate in scene.authorities():
        if certificate.not_valid_after_utc <= scene.site.clock() or not may_sign_crls(certificate):
            continue
        try:
            fault = _crl_fault(scene, files, certificate)
        except SmtpcredsError as error:
            yield Finding(error.subject, error.reason, CURE_ALL)
        else:
            if fault:
                yield Finding(files.crl, fault, CURE_ALL)


def root_crl(scene: Scene) -> Iterator[Finding]:
    """The root above has a CRL: without it, verifiers that ask for all refuse what is below."""
    if lacks_root_crl(scene.ca):
        key = scene.ca.files.root_key
        cure = CURE_ALL if exists(key) else f"{CURE_ALL} --root-key FILE"
        yield Finding(
            title(scene.ca.chain[1]), "has no CRL, so curl and Exim with OpenSSL refuse its CAs", cure
        )


def _crl_fault(scene: Scene, files: CaFiles, certificate: Certificate) -> str | None:
    content = read_private(files.crl)
    crl = read_crl(content, files.crl, certificate)
    if not crl.is_current(scene.site.clock()):
        return f"expired on {crl.next_update:%Y-%m-%d %H:%M} UTC, which stops all certificates of this CA"
    row = row_of(scene.inventory, certificate)
    latest = scene.inventory.latest_crl(row.id) if row else None
    if latest is None or (crl.number or 0) > latest.number:
        return None
    if (crl.number or 0) < latest.number:
        return f"is number {crl.number}, but number {latest.number} was signed"
    same = any(sha256(block.decode() or b"").hexdigest() == latest.sha256 for block in blocks(content))
    return None if same else f"is another list than the one that was recorded as number {latest.number}"


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
            yield Finding(item.path, "is missing, or is not what the authority has now", CURE_ALL)


def pairs(scene: Scene) -> Iterator[Finding]:
    """Each certificate in use is on disk, and each on disk is in use."""
    return pair_faults(scene.site, scene.inventory, scene.ca)


CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    unfinished,
    authorities_recorded,
    private,
    crls,
    root_crl,
    installed,
    pairs,
)
