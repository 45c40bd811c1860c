"""Where inventory and disk disagree; looked at while nobody writes, and nothing is changed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from ..config import Site
from ..errors import DamagedFileError, SmtpcredsError, UnsafePathError
from ..files import check_directory, exclusive, is_directory, link_target, names_in, read_private, temporaries
from ..inventory import AuthorityState, Inventory
from ..pki.crl import may_sign_crls, read_crl
from ..pki.dn import title
from ..pki.pem import blocks
from ..pki.values import Certificate
from .ca import CA
from .check_pairs import pair_faults
from .everywhere import around, directories
from .findings import CURE_ALL, Finding, as_finding
from .layout import CaFiles
from .ledger import row_of
from .reading import reading


@dataclass(frozen=True, slots=True)
class Scene:
    """What is compared."""

    site: Site
    inventory: Inventory
    ca: CA

    def authorities(self) -> Iterator[tuple[CaFiles, Certificate]]:
        """Yield the files and certificates of the authority that signs, and of its elders."""
        yield self.ca.files, self.ca.certificate
        yield from ((elder.files, elder.certificate) for elder in self.ca.elders)


def findings(site: Site) -> list[Finding]:
    """Return every disagreement.

    Raises:
        MissingInputError: there is no inventory, or no authority.
        LockHeldError: another run is at work.
    """
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
            wrong = around(scene.ca, directory)
        except SmtpcredsError as error:
            yield as_finding(error)
            continue
        for item in wrong:
            yield Finding(item.path, "is missing, or is not what the authority has now", CURE_ALL)


def pairs(scene: Scene) -> Iterator[Finding]:
    """Each certificate in use is on disk, and each on disk is in use; see :mod:`.check_pairs`."""
    return pair_faults(scene.site, scene.inventory, scene.ca)


CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    unfinished,
    authorities_recorded,
    private,
    crls,
    installed,
    pairs,
)
