"""The authority's rows in the inventory, and the record of what was done."""

from collections.abc import Iterable

from ..config import Site
from ..files import actor, audit_to_syslog, exists, move, read_if_there, remove, sweep, write_all
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityRow, AuthorityState, CertificateRow, Event
from ..pki.chains import climb
from ..pki.crl import read_crl
from ..pki.describe import fingerprint
from ..pki.encoding import encode_der, parse_certificate
from ..pki.keys import public_id
from ..pki.names import title
from ..pki.values import Certificate, key_identifier
from .authority import CA, SupersededCA, short_id
from .crl import owed
from .directory import known_here, pair_at, readable_bundle, refresh_trust_directories, trust
from .layout import RETIRED, Pair
from .pair import certificate_in_place, key_id, put_in_place, read_previous_pair

APPLIED = "mta apply"
"""The event of a mail program whose files were written."""
CA_RETIRED = "ca retire"
"""The event of an authority that is trusted no more; its detail begins with the key identifier."""
REVOKED = "cert revoke"
RECOVERED = "cert recovered"
"""The event of a revocation, whose detail is ``serial``, number, comma, reason."""


def ensure_authority(site: Site, inventory: Inventory, ca: CA, certificate: Certificate) -> AuthorityRow:
    """Return the row of an authority of ours, made now if it is new; it counts on from its CRL on disk."""
    known = row_of(inventory, certificate)
    return known or _added(
        site, inventory, certificate, AuthorityState.CURRENT, _crl_number(ca.files_of(certificate).crl)
    )


def ensure_external_authority(site: Site, inventory: Inventory, ca: Certificate) -> AuthorityRow:
    """Return the inventory's row of a CA, made now as another's if it is new."""
    return ensure_other_authority(site, inventory, ca, is_lost=False)


def ensure_other_authority(
    site: Site, inventory: Inventory, ca: Certificate, *, is_lost: bool
) -> AuthorityRow:
    """Return the same; one that is lost was ours, and is trusted until it is retired."""
    state = AuthorityState.CURRENT if is_lost else AuthorityState.FOREIGN
    return row_of(inventory, ca) or _added(site, inventory, ca, state, 0)


def row_of(inventory: Inventory, certificate: Certificate) -> AuthorityRow | None:
    """Return the inventory's row of a CA, or None."""
    der = encode_der(certificate)
    return next((row for row in inventory.authorities() if row.der == der), None)


def _recover_key(site: Site, ca: CA) -> None:
    from .token import unfinished_key

    if left := unfinished_key(ca.files):
        reason = f"an interrupted run may have left {left.key} in it"
        site.warn(f"{left.subject}: {reason}; the next ca init or ca rollover with that token removes it")
    else:
        remove(ca.files.unfinished_key)


def recover_authorities(site: Site, inventory: Inventory, ca: CA) -> None:
    """Record what a killed run changed about authorities: their directories say what is so."""
    if exists(ca.files.unfinished_key):
        _recover_key(site, ca)
    if not ca.is_there:
        return
    own = ca.certificate
    if row_of(inventory, own) is None:
        ensure_authority(site, inventory, ca, own)
        refresh_trust_directories(site, inventory, ca)
        record_all(site, inventory, "ca recorded", [(title(own), "after an interrupted run")])
        site.warn(f"{title(own)}: this authority was not in the inventory; an interrupted run is completed")
    if any(is_revoked_above(ca, superseded_ca) for superseded_ca in ca.superseded_cas):
        retire_files(ca, ca.superseded_cas)  # all of them, as the interrupted run was about to
    for row in complete_retirement(site, inventory, ca, "after an interrupted run"):
        site.warn(f"{row.name}: an interrupted run began to retire this authority; it is completed")


def complete_retirement(site: Site, inventory: Inventory, ca: CA, detail: str) -> list[AuthorityRow]:
    """Take what was put away as ``retired-*`` out of bundles and inventory; return the rows that changed."""
    rows = (row_of(inventory, superseded_ca.certificate) for superseded_ca in ca.retired)
    due = [row for row in rows if row and row.state is AuthorityState.CURRENT]
    if due and refresh_trust_directories(site, inventory, ca)[1]:
        return []
    for row in due:
        inventory.retire_authority(row.id)
        record_all(site, inventory, CA_RETIRED, [(row.name, f"key identifier {row.ski}, {detail}")])
    return due


def retire_files(ca: CA, superseded_cas: Iterable[SupersededCA]) -> None:
    """Put the files of superseded CAs away as ``retired-*``."""
    for superseded_ca in superseded_cas:
        sweep(superseded_ca.files.directory)
        name = f"{RETIRED}{short_id(superseded_ca.certificate)}"
        move(superseded_ca.files.directory, f"{ca.files.directory}/{name}")
    ca.forget()


def is_revoked_above(ca: CA, superseded_ca: SupersededCA) -> bool:
    """Tell whether the root's CRL, which a retirement writes first, lists an issuing CA below it."""
    content = read_if_there(ca.files.root_crl)
    if content is None or ca.chain[1:2] != superseded_ca.path[1:2]:
        return False
    return read_crl(content, ca.files.root_crl, ca.chain[1]).is_revoked(
        superseded_ca.certificate.serial_number
    )


def record_all(site: Site, inventory: Inventory, what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Write an event for each subject and detail to the inventory and to syslog's authpriv."""
    who, now, listed = actor(), site.clock(), list(deeds)
    inventory.event(*(Event(now, who, what, subject, detail) for subject, detail in listed))
    audit_to_syslog(site.warn, what, listed)


def _added(
    site: Site, inventory: Inventory, ca: Certificate, state: AuthorityState, crl_number: int
) -> AuthorityRow:
    return inventory.add_authority(
        title(ca),
        ski=key_identifier(ca).hex(),
        der=encode_der(ca),
        created=site.clock(),
        crl_number=crl_number,
        state=state,
    )


def _crl_number(path: str) -> int:
    content = read_if_there(path)
    number = None if content is None else read_crl(content, path, None).number
    return 1 if number is None else number


# What a killed run left: completed where the new key is in place, given up where the former pair still is.
#
# Keys are written before certificates, so the key decides. Where a renewal keeps the key, the certificate
# does: as long as the former one is in place, nothing has changed. Answers of other CAs are completed.


def recover(site: Site, inventory: Inventory, ca: CA) -> list[CertificateRow]:
    """Settle what is pending, and tell of a CRL that is still to be signed; return what was completed.

    Files that another host of a shared inventory began to write are left to that host.
    """
    ours = [row for row in inventory.authorities() if row.state is not AuthorityState.FOREIGN]
    completed = []
    for row in inventory.pending():
        if row.is_on(site.machine) or row.fingerprint is None or not row.directory:
            if _recover_one(site, inventory, ca, row, is_ours=any(row.authority == own.id for own in ours)):
                completed.append(row)
        else:
            site.warn(
                f"{row.host}: an interrupted run on {row.machine} began certificate {row.serial}; "
                "the next command there that signs completes it"
            )
    for authority in ours:
        if authority.state is AuthorityState.CURRENT and owed(inventory, authority):
            site.warn(
                f"{authority.name}: an interrupted run did not finish its CRL; "
                "the next command that signs does, or: smtpcreds ca crl"
            )
    return completed


def _recover_one(site: Site, inventory: Inventory, ca: CA, row: CertificateRow, *, is_ours: bool) -> bool:
    pair = pair_at(site, row)
    is_here = bool(row.directory) and known_here(site)(pair.directory)
    if is_here:
        sweep(pair.directory)
    if row.fingerprint is None:
        _give_up(site, inventory, row, "interrupted before it was signed")
    elif not row.directory:
        _settle(site, inventory, row)
    elif is_here and is_ours and _previous_stands(pair, row):
        _give_up(site, inventory, row, "interrupted before it replaced the former one")
    elif is_here and _complete(site, inventory, ca, row, pair):
        _settle(site, inventory, row)
        site.warn(
            f"{row.host}: an interrupted run left its certificate unfinished; it is in place now, "
            "and the mail server has to read it: reload it"
        )
        return True
    else:
        _give_up(site, inventory, row, "interrupted before its key was in place")
    return False


def _settle(site: Site, inventory: Inventory, row: CertificateRow) -> None:
    with inventory.transaction():
        inventory.issued(row.authority, [row.serial])
        record_all(site, inventory, RECOVERED, [(row.host, f"serial {row.serial}")])


def _previous_stands(pair: Pair, row: CertificateRow) -> bool:
    """Tell whether a whole pair with the key of the renewed certificate, but not that one, is in place."""
    if key_id(pair.key) != row.key_id:
        return False
    found = certificate_in_place(read_previous_pair(pair))
    return found is not None and public_id(found) == row.key_id and fingerprint(found) != row.fingerprint


def _complete(site: Site, inventory: Inventory, ca: CA, row: CertificateRow, pair: Pair) -> bool:
    certificate = parse_certificate(inventory.der(row.authority, row.serial), row.host)
    own = ca.trusted if ca.is_there else ()
    above = climb(certificate, (*own, *_others(site, inventory, pair)))[1:]
    if (site.machine and not above) or not put_in_place(pair, certificate, above):
        return False
    write_all(trust(pair.directory, (*own, *above)))
    return True


def _others(site: Site, inventory: Inventory, pair: Pair) -> tuple[Certificate, ...]:
    """Return other authorities: an inventory's server could have any trusted, so the bundle tells, not that.

    Who installs the answer of another authority writes the bundle before the certificate.
    """
    if site.machine:
        return readable_bundle(pair.directory)
    return tuple(parse_certificate(other.der, other.name) for other in inventory.authorities())


def _give_up(site: Site, inventory: Inventory, row: CertificateRow, why: str) -> None:
    with inventory.transaction():
        inventory.discard(row.authority, row.serial, why)
        if row.fingerprint:
            record_all(site, inventory, "cert give up", [(row.host, f"serial {row.serial}")])
    site.warn(
        f"{row.host}: an interrupted run began a certificate and ended {why.removeprefix('interrupted ')}; "
        "it was abandoned"
    )
