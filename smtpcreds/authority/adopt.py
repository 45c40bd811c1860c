"""An authority made elsewhere becomes ours: its past enters the inventory, then it appears in one step."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..files import read_public, write_directory
from ..inventory import Authority
from ..pki.crl import may_sign_crls
from ..pki.dn import title
from ..pki.foreign_layouts import Found
from ..pki.keyfile import is_encrypted
from ..pki.pem import encode_der
from ..pki.values import Certificate, Issuer, key_identifier
from ..transaction import Transaction
from .ca import Passphrase
from .create import files_for
from .foreign import read_issuer
from .foreign_records import Records, read_records
from .ledger import row_of
from .revocations import next_crl, record_crl

Keeping = Callable[[bool], Passphrase | None]
"""From whether the key is encrypted to the question for its passphrase from now on; None: what opened it."""


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


def adopt(work: Transaction, found: Found, keeping: Keeping) -> Adopted:
    """Take over an authority; its own files stay as they are.

    Args:
        work: where; its passphrase opens the key.
        found: the files of the authority, from :func:`.foreign.survey`.
        keeping: what encrypts the key from now on.

    Raises:
        ExistsError: there is an authority already.
    """
    work.ca.refuse_existing()
    issuer = read_issuer(work.site, found, work.passphrase)
    records = read_records(work.site, found, issuer.certificate)
    was_encrypted = is_encrypted(read_public(found.key or ""))
    question = keeping(was_encrypted)
    secret = work.ask(question) if question else work.passphrase()
    inventory = work.begin()
    work.ca.refuse_existing()  # before the lock was taken, another run may have made one
    with inventory.transaction():
        authority = _enter(work, issuer, records)
    crl = next_crl(work.site, inventory, authority, issuer) if may_sign_crls(issuer.certificate) else None
    write_directory(work.ca.files.directory, files_for(issuer, None, crl, secret))
    work.renewed_authority()
    if crl:
        record_crl(inventory, authority, crl)
    work.record("ca import", title(issuer.certificate), f"{found.peer}, {found.certificate}")
    return Adopted(
        issuer.certificate,
        found.peer,
        len(records.rows),
        records.revoked,
        crl.number if crl else None,
        secret is not None,
    )


def _enter(work: Transaction, issuer: Issuer, records: Records) -> Authority:
    """Record authority and certificates; what an earlier import recorded stays, but no revocation is lost."""
    inventory = work.inventory
    authority = row_of(inventory, issuer.certificate) or inventory.add_authority(
        title(issuer.certificate),
        ski=key_identifier(issuer.certificate).hex(),
        der=encode_der(issuer.certificate),
        created=work.now,
        crl_number=records.crl_number,
    )
    inventory.adopt((replace(row, authority=authority.id), der) for row, der in records.rows)
    known = {row.serial for row in inventory.revoked(authority.id)}
    for row, _ in records.rows:
        if row.revoked_at and row.serial not in known:
            inventory.revoke(authority.id, row.serial, row.revoked_at, row.reason or "unspecified")
    return authority
