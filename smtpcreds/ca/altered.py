"""Revocations that the record of events or the last CRL knows, and the rows of the inventory do not.

Nothing takes a revocation back, so somebody wrote to the inventory past this program. The next CRL would list
less than the last one, and lists of keys that relay would let the key in again.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import islice

from ..config import Site
from ..errors import DataError, SmtpcredsError
from ..files import read_if_there
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityRow, AuthorityState, CertificateRow, State, serial_text
from ..jobs import from_the_end
from ..lazy import dataclass, pattern
from ..model import Finding
from ..pki.chains import has_signature_of
from ..pki.crl import Crl, is_crl_of, read_crl
from ..pki.describe import describe
from ..pki.encoding import UNREADABLE, decode_der, encode_der
from ..pki.keys import public_id
from ..pki.names import names_of
from ..pki.profiles import parse_profile
from ..pki.revocation import Revoked, parse_reason
from ..pki.values import Certificate
from ..shell import quote
from .authority import CA
from .layout import CURE_CRL
from .restore import NewerCrl, ours, record_newer
from .restore import findings as restored
from .state import CA_RETIRED, RECOVERED, REVOKED, record_all

CURE_EVENTS = "compare the events with syslog's authpriv, and put an inventory back from before"
_DETAIL = pattern(r"serial ([0-9a-f]+), ([A-Za-z]+)")
_ALTERED = "that was altered"


@dataclass(frozen=True)
class Lost:
    """A revocation that the rows do not have.

    Attributes:
        host: whose certificate, as far as anybody knows.
        entry: what a CRL says of it.
        row: what the inventory says instead; None where it says nothing.
        newer: the last CRL, if that lists it.
        authority: of that CRL.
    """

    host: str
    entry: Revoked
    row: CertificateRow | None
    newer: NewerCrl | None = None

    @property
    def serial(self) -> str:
        """The serial number as the inventory would have it."""
        return serial_text(self.entry.serial)

    @property
    def is_cut_short(self) -> bool:
        """Tell whether the row is revoked all the same, and leaves the CRL because it would have expired."""
        return self.row is not None and self.row.state is State.REVOKED

    @property
    def finding(self) -> Finding:
        """What is wrong, in words."""
        reason = f"serial {self.serial} {self.entry}, and {self._says()}: {_ALTERED}"
        return Finding(self.host, reason, self._cure())

    def _says(self) -> str:
        if self.row is None:
            return "is not in the inventory any more"
        if self.is_cut_short:
            return f"in the inventory it expired on {self.row.not_after:%Y-%m-%d}"
        return f"the inventory says that it is {self.row.state}"

    def _cure(self) -> str:
        if self.is_cut_short:
            return CURE_EVENTS
        if self.row is None and self.newer is None:
            reason = self.entry.reason.value
            return f"smtpcreds cert revoke --serial {self.serial} --unknown --reason {reason}"
        return CURE_CRL


def findings(site: Site, inventory: Inventory, ca: CA) -> Iterator[Finding]:
    """Yield how the inventory says less than what was published: it is older, or was altered."""
    yield from restored(site, inventory, ca)
    yield from (lost.finding for lost in lost_revocations(inventory, ca))


def rows_that_differ(inventory: Inventory) -> Iterator[tuple[CertificateRow, Finding]]:
    """Yield the rows that say other than the certificates in them, or whose authority did not sign those.

    All the others are of certificates that decode.
    """
    issuers = {row.id: row.der for row in inventory.authorities()}
    rows = inventory.with_der()
    while some := list(islice(rows, _AT_ONCE)):
        for (row, _), wrong in zip(some, _compared(some, issuers), strict=True):
            if wrong:
                reason = f"certificate {row.serial} has a row that says otherwise: {wrong}"
                yield row, Finding(row.host, reason, CURE_EVENTS)


_AT_ONCE = 4096
"""Rows that are held; there may be a million."""


def _compared(some: Sequence[tuple[CertificateRow, bytes]], issuers: Mapping[int, bytes]) -> Iterator[str]:
    """Yield of each row what it says otherwise than its certificate; empty where that is nothing."""
    decoded = lru_cache(decode_der)

    def wrong(number: int) -> str:
        row, der = some[number]
        try:
            return ", ".join(_differences(row, der, decoded(issuers[row.authority])))
        except (SmtpcredsError, *UNREADABLE) as error:
            return f"it can't be read ({error})"

    with from_the_end(len(some), wrong) as take:
        for number in range(len(some)):
            found = take(number)
            yield found if isinstance(found, str) else wrong(number)


def _differences(row: CertificateRow, der: bytes, issuer: Certificate) -> Iterator[str]:
    certificate = decode_der(der)
    said = {
        "serial number": int(row.serial, 16) == certificate.serial_number,
        "names": _has_names(row, certificate),
        "start": row.not_before == certificate.not_valid_before_utc,
        "end": row.not_after == certificate.not_valid_after_utc,
        "fingerprint": row.fingerprint == sha256(der).hexdigest(),
        "key": row.key_id in {None, public_id(certificate)},
        "signature": has_signature_of(certificate, issuer),
    }
    yield from (name for name, is_same in said.items() if not is_same)


def _has_names(row: CertificateRow, certificate: Certificate) -> bool:
    names = names_of(certificate)
    hosts = set(names.dns_names)
    among = hosts | set(map(str, names.addresses))
    return not hosts or hosts <= {name.lower() for name in row.names} <= among


def verify_as_signed(
    site: Site, inventory: Inventory, row: CertificateRow, found: Certificate | None
) -> None:
    """Refuse to renew what an inventory's server alone says: an authority of ours has signed these names.

    Args:
        site: where; an inventory in a file is this host's own.
        inventory: what there is.
        row: what is to be renewed.
        found: the certificate that is in place; None takes the one in the inventory.
    """
    if not site.machine:
        return
    ca = CA(site)
    certificate = found or decode_der(inventory.der(row.authority, row.serial))
    roles = {purpose.value for purpose in parse_profile(row.profile).purposes}
    is_signed = any(has_signature_of(certificate, one) for one in (*ca.trusted, *ca.distrusted))
    is_same = row.host in row.names and _has_names(row, certificate)
    if not (is_signed and is_same and roles == set(describe(certificate).roles)):
        reason = "is not in the inventory as its certificate has it, so it is not signed again"
        again = f"smtpcreds cert issue {quote(row.host)} --force, with the --san that it is to have"
        raise DataError(row.host, reason, f"smtpcreds inventory check; then: {again}")


_FROM_ELSEWHERE = ("cert install", "setup", RECOVERED)
"""The events of certificates that another authority signed."""


def rows_of_no_authority(inventory: Inventory, ca: CA, now: datetime) -> Iterator[Finding]:
    """Yield the certificates in use of authorities that neither events nor the disk of this one know.

    A current authority without files is another finding. Key identifiers are anybody's to choose.
    """
    present = {encode_der(each.certificate) for each in (*ca.superseded_cas, *ca.retired)}
    present.add(encode_der(ca.certificate))
    rows = [row for row in inventory.authorities() if row.der not in present]
    others = {row.id for row in rows if row.state is AuthorityState.FOREIGN}
    gone = [row for row in rows if row.state is AuthorityState.RETIRED]
    told = {event.detail.partition(",")[0] for event in inventory.events(what=CA_RETIRED)}
    known = {row.ski for row in inventory.authorities() if row not in gone}
    names = _told_by_name(inventory)
    told_of = [row for row in gone if row.name in names or f"key identifier {row.ski}" in told]
    strange = {row.id for row in gone if row.ski in known or row not in told_of}
    if not (others or strange):
        return
    came = {(each.subject, each.detail) for what in _FROM_ELSEWHERE for each in inventory.events(what=what)}
    for row in inventory.listing(expires_after=now, state=State.ISSUED):
        is_from_elsewhere = row.authority in others and (row.host, f"serial {row.serial}") in came
        if row.authority in strange or (row.authority in others and not is_from_elsewhere):
            reason = f"certificate {row.serial} is of an authority that no event explains"
            yield Finding(row.host, reason, CURE_EVENTS)


def _told_by_name(inventory: Inventory) -> set[str]:
    """Return the names that one authority alone has, and that a retirement was recorded for without its key.

    So recorded earlier states of this source where a run completed what a killed one had begun.
    """
    names = Counter(row.name for row in inventory.authorities())
    events = inventory.events(what=CA_RETIRED)
    told = {event.subject for event in events if not event.detail.startswith("key identifier ")}
    return {name for name in told if names[name] == 1}


def lost_revocations(inventory: Inventory, ca: CA) -> Iterator[Lost]:
    """Yield each revocation that the rows do not have, those that CRLs list first."""
    seen = set()
    for lost in _of_crls(inventory, ca):
        seen.add(lost.serial)
        yield lost
    yield from (lost for lost in _of_events(inventory) if lost.serial not in seen)


def reinstated_keys(inventory: Inventory) -> set[str | None]:
    """Return the keys of certificates that were revoked by the record of events and not by their rows."""
    return {lost.row.key_id for lost in _of_events(inventory) if lost.row}


def revoke_again(site: Site, inventory: Inventory, ca: CA, authority: AuthorityRow) -> list[Revoked]:
    """Bring the rows of an authority back to what was recorded and published, before its CRL is signed.

    Returns:
        What the CRL must list beside what the rows say.
    """
    found = [lost for lost in lost_revocations(inventory, ca) if lost.newer or lost.row]
    mine = [lost for lost in found if _authority(lost) == authority.id]
    for lost in mine:
        site.warn(f"{lost.finding.subject}: {lost.finding.message}; its revocation is published all the same")
    for newer in {lost.newer.path: lost.newer for lost in mine if lost.newer}.values():
        record_newer(site, inventory, newer, authority)
    for lost in mine:
        if lost.newer is None:
            inventory.revoke(authority.id, lost.serial, lost.entry.at, lost.entry.reason.value)
            record_all(site, inventory, "cert revoke again", [(lost.host, f"serial {lost.serial}")])
    return [lost.entry for lost in mine if lost.is_cut_short]


def _authority(lost: Lost) -> int | None:
    if lost.newer and lost.newer.authority:
        return lost.newer.authority.id
    return lost.row.authority if lost.row else None


def _of_events(inventory: Inventory) -> Iterator[Lost]:
    known: set[str] | None = None
    for event in inventory.events(what=REVOKED):
        said = _DETAIL.fullmatch(event.detail)
        if known is None:
            known = {each.serial for row in inventory.authorities() for each in inventory.revoked(row.id)}
        if said and said[1] not in known:
            entry = Revoked(int(said[1], 16), event.at, parse_reason(said[2]))
            yield Lost(event.subject, entry, _row(inventory, said[1], None))


def _of_crls(inventory: Inventory, ca: CA) -> Iterator[Lost]:
    for issuer, path, authority in ours(inventory, ca) if ca.is_there else ():
        content = read_if_there(path)
        crl = content and _readable(content, path, issuer)
        if not (authority and content and crl):
            continue
        listed = inventory.revoked(authority.id, expires_after=crl.this_update)
        unknown = tuple(crl.entries(known={int(each.serial, 16) for each in listed}))
        newer = NewerCrl(path, crl, content, path, authority, issuer, unknown)
        for entry in unknown:
            row = _row(inventory, serial_text(entry.serial), authority.id)
            yield Lost(row.host if row else path, entry, row, newer)


def _readable(content: bytes, path: str, issuer: Certificate) -> Crl | None:
    """Return the authority's own copy of its last CRL; one that is damaged is found by other checks."""
    try:
        crl = read_crl(content, path, None)
    except DataError:
        return None
    return crl if is_crl_of(crl, issuer) else None


def _row(inventory: Inventory, serial: str, authority: int | None) -> CertificateRow | None:
    found = (row for row in inventory.find(serial) if row.serial == serial)
    return next((row for row in found if authority in (None, row.authority)), None)
