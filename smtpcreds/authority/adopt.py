"""An authority made elsewhere becomes ours: its past enters the inventory, then it appears in one step."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..config import Site
from ..files import ensure_directory, read_public, write_directory
from ..inventory import Authority, Inventory
from ..model import Artifact, Plan, Step
from ..pki.crl import may_sign_crls
from ..pki.dn import title
from ..pki.foreign_layouts import Found
from ..pki.keyfile import encode_key, is_encrypted
from ..pki.pem import encode_certificates, encode_der
from ..pki.values import Certificate, Issuer, key_identifier
from ..secret import Secret
from .ca import Passphrase, once, refuse_existing
from .foreign import read_issuer
from .foreign_records import Records, read_records
from .layout import CERTIFICATE, CRL, KEY, PARENTS, ca_files
from .ledger import at_work, record, row_of
from .reading import recording
from .revocations import next_crl, record_crl

Keeping = Callable[[Secret | None], Secret | None]
"""From the passphrase that opened the key, if any, to the one under which it is to be kept, if any."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """An authority that was imported: its certificate, what made it, and how much of its past is known.

    ``crl_number`` is None where it may not sign CRLs.
    """

    certificate: Certificate
    peer: str
    certificates: int
    revoked: int
    crl_number: int | None
    encrypted: bool


def plan_import(site: Site, found: Found, passphrase: Passphrase, keeping: Keeping) -> Plan[Adopted]:
    """Plan to take over an authority; its own files stay as they are.

    Args:
        site: where.
        found: the files of the authority, from :func:`.foreign.survey`.
        passphrase: opens its key.
        keeping: gives the passphrase that encrypts it from now on.

    Raises:
        ExistsError: there is an authority already.
    """
    refuse_existing(site)
    files = ca_files(site)
    steps = (
        Step("read", found.key or ""),
        Step("read", found.certificate, note=found.peer),
        Step("make", files.directory, 0o700),
        *(Step("write", path, 0o600) for path in (files.key, files.certificate, files.crl)),
        recording(site, f"{len(found.issued)} files of certificates"),
    )
    return Plan(steps, lambda: _adopt(site, found, once(passphrase), keeping))


def _adopt(site: Site, found: Found, passphrase: Passphrase, keeping: Keeping) -> Adopted:
    issuer = read_issuer(site, found, passphrase)
    records = read_records(site, found, issuer.certificate)
    opened = passphrase() if is_encrypted(read_public(found.key or "")) else None
    secret = keeping(opened)
    artifacts = [
        Artifact(KEY, encode_key(issuer.key, secret)),
        Artifact(CERTIFICATE, encode_certificates([issuer.certificate])),
    ]
    if issuer.parents:
        artifacts.append(Artifact(PARENTS, encode_certificates(issuer.parents)))
    ensure_directory(site.state)
    with at_work(site) as inventory:
        refuse_existing(site)
        with inventory.transaction():
            authority = _enter(site, inventory, issuer, records)
        crl = next_crl(site, inventory, authority, issuer) if may_sign_crls(issuer.certificate) else None
        write_directory(site.ca_directory, [*artifacts, *([Artifact(CRL, crl.pem)] if crl else [])])
        if crl:
            record_crl(inventory, authority, crl)
        record(site, inventory, "ca import", title(issuer.certificate), f"{found.peer}, {found.certificate}")
    return Adopted(
        issuer.certificate,
        found.peer,
        len(records.rows),
        records.revoked,
        crl.number if crl else None,
        secret is not None,
    )


def _enter(site: Site, inventory: Inventory, issuer: Issuer, records: Records) -> Authority:
    """Record authority and certificates; what an earlier import recorded stays, but no revocation is lost."""
    authority = row_of(inventory, issuer.certificate) or inventory.add_authority(
        title(issuer.certificate),
        ski=key_identifier(issuer.certificate).hex(),
        der=encode_der(issuer.certificate),
        created=site.clock(),
        crl_number=records.crl_number,
    )
    inventory.adopt((replace(row, authority=authority.id), der) for row, der in records.rows)
    known = {row.serial for row in inventory.revoked(authority.id)}
    for row, _ in records.rows:
        if row.revoked_at and row.serial not in known:
            inventory.revoke(authority.id, row.serial, row.revoked_at, row.reason or "unspecified")
    return authority
