"""A state directory that is older than what it has published, as where a backup was put back.

Signing on from it would publish a CRL that lists less than the last one, under a number that was used. So
what lies beside certificates is read first: numbers go on from there, and no revocation is lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from hashlib import sha256

from ..config import Site
from ..errors import UNUSABLE, DataError
from ..files import names_in, read_if_there, read_private, read_public, write_all
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityRow, CertificateRow, State, serial_text
from ..lazy import dataclass
from ..model import Artifact, Finding
from ..pki.crl import Crl, is_crl_of, read_crl
from ..pki.describe import describe, fingerprint
from ..pki.encoding import blocks, encode_der, parse_certificates
from ..pki.keys import public_id
from ..pki.names import common_name, generation, organization_of, title
from ..pki.revocation import Revoked
from ..pki.values import Certificate, key_identifier
from ..shell import quote
from .authority import CA, SupersededCA
from .crl import crl_paths
from .directory import directories, readable_bundle
from .layout import BUNDLE, CURE_CRL
from .state import REVOKED, complete_retirement, record_all, retire_files, row_of

CURE_UNKNOWN = (
    "put back a newer backup of the state directory; or take that CA out, and what it signed is refused"
)

OTHER = "other"
"""Profile of a certificate of which only the serial number is known."""


@dataclass(frozen=True)
class NewerCrl:
    """A CRL of ours beside certificates that says more than the state directory knows.

    Attributes:
        path: of its file.
        crl: itself.
        content: the same, PEM.
        kept: path of the authority's own copy.
        authority: its row; None for a root, whose CRL is its own record.
        issuer: its certificate.
        unknown: entries that the inventory does not have.
    """

    path: str
    crl: Crl
    content: bytes = field(repr=False)
    kept: str
    authority: AuthorityRow | None
    issuer: Certificate
    unknown: tuple[Revoked, ...]

    @property
    def finding(self) -> Finding:
        """What is wrong, in words."""
        lost = f"; {len(self.unknown)} of its revocations are not in the inventory" if self.unknown else ""
        reason = f"is CRL number {self.crl.number}: the state directory is older than what it published{lost}"
        return Finding(self.path, reason, CURE_CRL)


def findings(site: Site, inventory: Inventory, ca: CA) -> Iterator[Finding]:
    """Yield how the state directory is older than what it has published."""
    yield from (newer.finding for newer in newer_crls(site, inventory, ca))
    yield from unknown_authorities(site, inventory, ca)
    for former, path in retired_since(site, inventory, ca):
        yield Finding(path, _no_more(former), CURE_CRL)


def _no_more(former: SupersededCA) -> str:
    name = title(former.certificate)
    return f"trusts {name} no more, which the state directory does: it is older"


def retired_since(site: Site, inventory: Inventory, ca: CA) -> Iterator[tuple[SupersededCA, str]]:
    """Yield the replaced authorities that a bundle lost again, each with its path.

    A rollover puts the successor into each bundle beside the one before, which only a retirement takes out.
    """
    if not (ca.is_there and ca.superseded_cas):
        return
    bundles = {place: readable_bundle(place) for place in directories(site, inventory)}
    for former in ca.superseded_cas:
        for place, held in bundles.items():
            if ca.certificate in held and former.certificate not in held:
                yield former, f"{place}/{BUNDLE}"
                break


def verify_trusted(site: Site, inventory: Inventory, ca: CA) -> None:
    """Refuse to sign with an authority of before a rollover whose successor alone is trusted by now."""
    held = {other for place in directories(site, inventory) for other in readable_bundle(place)}
    if not ca.is_there or ca.certificate in held:
        return
    own = ca.certificate
    newer = [each for each in held if _is_alike(own, each) and _begins(each) > _begins(own)]
    if newer and not set(newer) & set(ca.trusted):
        name = title(max(newer, key=_begins))
        reason = f"is trusted no more beside certificates, and {name} is: the state directory is older"
        raise DataError(title(own), reason, "put back a newer backup of the state directory")


def _begins(certificate: Certificate) -> datetime:
    return certificate.not_valid_before_utc


def unknown_authorities(site: Site, inventory: Inventory, ca: CA) -> Iterator[Finding]:
    """Yield the CAs beside certificates that the state does not know, named as a rollover of ours does."""
    if not ca.is_there:
        return
    known = {row.der for row in inventory.authorities()}
    for directory in directories(site, inventory):
        bundle = readable_bundle(directory)
        for other in bundle:
            is_known = other in ca.trusted or encode_der(other) in known
            if not is_known and _is_alike(ca.certificate, other):
                is_alone = {other} >= {*bundle}.difference(ca.trusted)
                yield _unknown_authority(ca.certificate, other, f"{directory}/{BUNDLE}", is_alone=is_alone)


def _unknown_authority(own: Certificate, other: Certificate, path: str, *, is_alone: bool) -> Finding:
    """Tell of a successor, which begins later than ours, or of one that ours was made beside.

    Args:
        own: of this authority.
        other: of the one that is not known.
        path: of the bundle.
        is_alone: there is no other CA of others in it.
    """
    reason = f"trusts {title(other)}, which the state directory does not know"
    if _begins(other) > _begins(own):
        return Finding(path, f"{reason}: it is older", CURE_UNKNOWN)
    begun = f"{_begins(other):%Y-%m-%d}, key identifier {key_identifier(other).hex()[:16]}"
    out = f"rm {quote(path)} && {CURE_CRL}" if is_alone else f"take it out of {path}, then: {CURE_CRL}"
    return Finding(path, f"{reason}: it began before ours ({begun}), and hosts may use it still", out)


def _is_alike(own: Certificate, other: Certificate) -> bool:
    """Tell whether two CAs have names of one line, as a rollover gives them."""
    mine, its = (
        (generation(common_name(each.subject) or "")[0], organization_of(each.subject))
        for each in (own, other)
    )
    return mine == its


def newer_crls(site: Site, inventory: Inventory, ca: CA) -> Iterator[NewerCrl]:
    """Yield the CRLs of our authorities beside certificates that the state directory does not know."""
    if not ca.is_there:
        return
    publishers = tuple(ours(inventory, ca))
    latest = (inventory.latest_crl(row.id) for _, _, row in publishers if row)
    recorded = {crl.sha256 for crl in latest if crl}
    for path, content in _published(site, inventory):
        der = next((block.decode() for block in blocks(content)), None)
        if der is None or sha256(der).hexdigest() in recorded:
            continue
        try:
            crl = read_crl(content, path, None)
        except UNUSABLE:  # damaged: it is written anew
            continue
        for issuer, kept, row in publishers:
            if is_crl_of(crl, issuer):
                unknown = _unknown(inventory, row, crl)
                if unknown or _is_ahead(inventory, row, kept, crl):
                    yield NewerCrl(path, crl, content, kept, row, issuer, unknown)


def take_over(site: Site, inventory: Inventory, ca: CA) -> None:
    """Bring the state directory up to what it has published."""
    _retire(site, inventory, ca)
    found = list(newer_crls(site, inventory, ca))
    for finding in unknown_authorities(site, inventory, ca):
        site.warn(f"{finding.subject}: {finding.message}; {finding.cure}")
    for newer in found:
        site.warn(f"{newer.finding.subject}: {newer.finding.message}; it is taken over")
        if newer.authority:
            record_newer(site, inventory, newer, newer.authority)
    newest = {newer.kept: newer for newer in sorted(found, key=lambda newer: newer.crl.number or 0)}
    for kept, newer in newest.items():
        if (newer.crl.number or 0) >= (_number(kept) or 0):
            write_all([Artifact(kept, newer.content)])


def _retire(site: Site, inventory: Inventory, ca: CA) -> None:
    """Retire what was retired since the backup: all that was replaced then, as a retirement does."""
    gone = tuple(retired_since(site, inventory, ca))
    for former, path in gone:
        site.warn(f"{path}: {_no_more(former)}; it is retired here, too")
    if gone:
        retire_files(ca, [former for former, _ in gone])
        complete_retirement(site, inventory, ca, "known by its bundle")


def ours(inventory: Inventory, ca: CA) -> Iterator[tuple[Certificate, str, AuthorityRow | None]]:
    """Yield each authority that signs CRLs here: its certificate, its own copy of the CRL, its row."""
    yield ca.certificate, ca.files.crl, row_of(inventory, ca.certificate)
    for former in ca.superseded_cas:
        yield former.certificate, former.files.crl, row_of(inventory, former.certificate)
    for root in ca.chain[1:2]:
        yield root, ca.files.root_crl, None


def _published(site: Site, inventory: Inventory) -> Iterator[tuple[str, bytes]]:
    for directory in directories(site, inventory):
        for path in crl_paths(directory):
            try:
                yield path, read_private(path)
            except UNUSABLE:  # one that others can write to is no witness
                continue


def _unknown(inventory: Inventory, row: AuthorityRow | None, crl: Crl) -> tuple[Revoked, ...]:
    if row is None:
        return ()
    known = {entry.serial for entry in inventory.revoked(row.id)}
    return tuple(entry for entry in crl.entries() if serial_text(entry.serial) not in known)


def _is_ahead(inventory: Inventory, row: AuthorityRow | None, kept: str, crl: Crl) -> bool:
    """Tell whether a list that was not recorded has a number that was not given, or given to another one."""
    number = crl.number or 0
    if row is None:
        return number > (_number(kept) or 0)
    latest = inventory.latest_crl(row.id)
    return number > inventory.last_crl_number(row.id) or (latest is not None and number == latest.number)


def _number(path: str) -> int | None:
    try:
        content = read_if_there(path)
        return None if content is None else read_crl(content, path, None).number
    except UNUSABLE:
        return None


def record_newer(site: Site, inventory: Inventory, newer: NewerCrl, authority: AuthorityRow) -> None:
    """Record the revocations, and count on from the number; the next CRL is owed from then on."""
    certificates, deeds = _beside(newer), list[tuple[str, str]]()
    with inventory.transaction():
        for entry in newer.unknown:
            row, der = _row(newer, authority, entry, certificates.get(entry.serial), site)
            inventory.adopt([(row, der)])
            if row.serial not in {known.serial for known in inventory.revoked(authority.id)}:
                inventory.revoke(authority.id, row.serial, entry.at, entry.reason.value)
            deeds.append((_host(inventory, authority, row), f"serial {row.serial}, {entry.reason.value}"))
        record_all(site, inventory, REVOKED, deeds)
        inventory.use_crl_number(authority.id, (newer.crl.number or 0) + 1)
        detail = f"number {newer.crl.number} and {len(newer.unknown)} revocations of {newer.path}"
        record_all(site, inventory, "ca crl taken over", [(authority.name, detail)])


def _host(inventory: Inventory, authority: AuthorityRow, row: CertificateRow) -> str:
    """Return the host by which the inventory has the certificate, which it may have known before."""
    found = (each for each in inventory.find(row.serial) if each.serial == row.serial)
    return next((each.host for each in found if each.authority == authority.id), row.host)


def _beside(newer: NewerCrl) -> Mapping[int, Certificate]:
    """Return the certificates in the same directory by serial number, as far as they can be read."""
    directory, found = newer.path.rpartition("/")[0], {}
    for name in names_in(directory):
        if name.endswith(("-cert.pem", "-cert.pem.previous")):
            try:
                leaf = parse_certificates(read_public(f"{directory}/{name}"), name).certificates[0]
            except UNUSABLE:
                continue
            if leaf.issuer == newer.issuer.subject:
                found[leaf.serial_number] = leaf
    return found


def _row(
    newer: NewerCrl, authority: AuthorityRow, entry: Revoked, leaf: Certificate | None, site: Site
) -> tuple[CertificateRow, bytes | None]:
    serial = serial_text(entry.serial)
    found = describe(leaf) if leaf else None
    issuer = newer.issuer
    row = CertificateRow(
        authority=authority.id,
        serial=serial,
        host=title(leaf) if leaf else f"serial {serial}",
        profile=OTHER,
        names=found.dns_names if found else (),
        not_before=found.not_before if found else issuer.not_valid_before_utc,
        not_after=found.not_after if found else issuer.not_valid_after_utc,
        created=site.clock(),
        directory="",
        state=State.REVOKED,
        fingerprint=fingerprint(leaf) if leaf else None,
        key_id=public_id(leaf) if leaf else None,
        revoked_at=entry.at,
        reason=entry.reason.value,
    )
    return row, encode_der(leaf) if leaf else None
