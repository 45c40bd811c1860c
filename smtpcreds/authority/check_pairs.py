"""Pairs of key and certificate: what the inventory says is installed, against what is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..config import Site
from ..errors import SmtpcredsError
from ..files import exists, is_directory, names_in, read_private
from ..inventory import AuthorityState, Inventory, State
from ..inventory import Certificate as Row
from ..pki.chains import is_issued_by
from ..pki.describe import fingerprint
from ..pki.dn import title
from ..pki.keyfile import decode_key
from ..pki.keys import matches
from ..pki.pem import parse_certificates
from ..pki.values import Certificate
from .ca import CA
from .everywhere import directories
from .findings import Finding, as_finding
from .layout import Pair

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
