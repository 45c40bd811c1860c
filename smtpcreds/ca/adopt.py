"""An authority made elsewhere becomes ours: its past enters the inventory, then it appears in one step."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime

from ..config import Site
from ..errors import DataError, ForeignFormatError, MissingInputError, SmtpcredsError, UsageError
from ..files import disk, explained, names_in, read_public, write_directory
from ..inventory.rows import AuthorityRow, State, serial_text
from ..inventory.rows import CertificateRow as Row
from ..lazy import dataclass
from ..pki import foreign
from ..pki.chains import ChainError, is_issued_by, is_self_signed, verify_chain
from ..pki.crl import Crl, may_sign_crls, read_crl
from ..pki.describe import authority_of, describe, fingerprint
from ..pki.encoding import encode_der, parse_certificates
from ..pki.foreign import Found, recognise
from ..pki.keys import is_encrypted, public_id
from ..pki.names import MAX_DN, part_fault, sendmail_dn, title
from ..pki.pair_rules import certificate_of
from ..pki.profiles import HOST_PROFILES, INTERMEDIATE, Purpose
from ..pki.revocation import Revoked
from ..pki.values import Certificate, Issuer, key_identifier
from ..progress import counted
from ..secret import Secret
from ..transaction import Transaction
from .authority import Passphrase, decrypted
from .create import files_for
from .crl import next_crl, record_crl
from .state import row_of
from .token import in_token
from .trial import trial_faults

# An authority that another program made: which of its files are what, and whether it can go on as ours.

NOTHING = Found("files", "", None, (), (), (), None, None, None)


@dataclass(frozen=True)
class Named:
    """What the options name; any of it goes before what is found in the directory."""

    directory: str | None = None
    key: str | None = None
    certificate: str | None = None
    chain: str | None = None
    is_in_token: bool = field(default=False, kw_only=True)


def survey(named: Named) -> Found:
    """Return the files of the authority, with absolute paths."""
    found = _recognised(named.directory) if named.directory else NOTHING
    found = replace(
        found,
        key=named.key or found.key,
        certificate=named.certificate or found.certificate,
        parents=(named.chain,) if named.chain else found.parents,
    )
    if named.is_in_token:
        if named.directory or named.key or not found.certificate:
            raise UsageError("--token", "goes with --cert FILE, and with neither --key nor a directory")
        return found
    if not named.directory and not (found.key and found.certificate):
        raise UsageError("ca import", "takes a directory, or both --key FILE and --cert FILE")
    if not found.key:
        raise MissingInputError(
            found.certificate, "is the certificate, but its key is not beside it", "name it with --key FILE"
        )
    return found


def _recognised(directory: str) -> Found:
    names = _names(directory)
    found = recognise(names, directory)
    if found is None:
        raise ForeignFormatError(
            directory,
            "holds no authority of easy-rsa, CA.pl, openssl ca, step, mkcert, minica or certstrap",
            "name the files: smtpcreds ca import --key FILE --cert FILE",
        )

    def whole(name: str | None) -> str | None:
        return name and f"{directory}/{name}"

    return Found(
        found.peer,
        f"{directory}/{found.certificate}",
        whole(found.key),
        tuple(f"{directory}/{name}" for name in found.parents),
        tuple(f"{directory}/{name}" for name in found.issued),
        (),
        whole(found.crl),
        whole(found.ledger),
        whole(found.crl_counter),
    )


def _names(directory: str) -> list[str]:
    with explained(directory):
        names_in(directory)
    walk = os.walk(directory)
    return [os.path.relpath(f"{place}/{name}", directory) for place, _, files in walk for name in files]


def read_issuer(site: Site, found: Found, passphrase: Passphrase) -> Issuer:
    """Return the authority whose key is in a file, if its certificates would be accepted."""
    path = found.key or ""
    pem = _read_key(site, path)
    key = decrypted(pem, passphrase, path)
    certificates = parse_certificates(read_public(found.certificate), found.certificate).certificates
    if disk().is_preview and is_encrypted(pem):
        issuer = Issuer.trial(certificates[0])
    else:
        issuer = Issuer(certificate_of(key, certificates, path, found.certificate), key)
    return _accepted(site, found, issuer, certificates)


def issuer_in_token(site: Site, found: Found, uri: str, pin: Passphrase) -> Issuer:
    """Return the authority whose key is in a token, if its certificates would be accepted."""
    certificates = parse_certificates(read_public(found.certificate), found.certificate).certificates
    return _accepted(site, found, in_token(uri, certificates[0], (), pin), certificates)


def _accepted(site: Site, found: Found, issuer: Issuer, certificates: Sequence[Certificate]) -> Issuer:
    own = issuer.certificate
    above = [ca for ca in certificates if ca != own]
    for parent in found.parents:
        above += parse_certificates(read_public(parent), parent).certificates
    if issuer.key_usage and not issuer.key_usage.key_cert_sign:
        raise DataError(found.certificate, "may not sign certificates (keyUsage lacks keyCertSign)")
    chain = _chain(own, above, site)
    issuer = replace(issuer, parents=chain[1:])
    _verify_by_trial(site, issuer, found.certificate)
    _warn_of_name(site, own)
    if not may_sign_crls(own):
        reason = "may not sign CRLs, so nothing can be revoked"
        site.warn(f"{title(own)}: {reason}; a successor may: smtpcreds ca rollover")
    return issuer


def _verify_by_trial(site: Site, issuer: Issuer, path: str) -> None:
    """Refuse an authority of which verifiers would take nothing; warn of one that is good for one role."""
    faults = {} if issuer.is_trial else trial_faults(issuer, site.clock())
    if len(faults) == len(Purpose):
        reason = f"certificates that it signs would be refused: {faults[Purpose.SERVER]}"
        raise DataError(path, reason, "make a new authority: smtpcreds ca init")
    for purpose, fault in faults.items():
        site.warn(f"{title(issuer.certificate)}: TLS {purpose.value}s can't use what it signs: {fault}")


def _chain(own: Certificate, above: list[Certificate], site: Site) -> tuple[Certificate, ...]:
    roots = [ca for ca in (own, *above) if is_self_signed(ca)]
    try:
        return verify_chain(own, above, roots, site.clock())
    except ChainError as error:
        hint = None if roots else "give the certificates above it: --chain FILE"
        raise DataError(error.subject, error.reason, hint) from None


def _read_key(site: Site, path: str) -> bytes:
    """Read the key file wherever it lay; others may have read it too, which is worth a warning."""
    with explained(path):
        mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        site.warn(f"{path}: has mode {mode:04o}, so others may have read this CA key")
    return read_public(path)


def _warn_of_name(site: Site, own: Certificate) -> None:
    faults = [fault for part in own.subject if (fault := part_fault(str(part.value)))]
    if len(sendmail_dn(own.subject)) > MAX_DN:
        faults.append(f"is over {MAX_DN} characters long as Sendmail writes it")
    if faults:
        site.warn(f"{title(own)}: its DN {faults[0]}; relaying by CertIssuer will not work with it")


# What another program's authority has issued and revoked, as rows of the inventory.

OTHER = "other"
"""Profile of a certificate that is for neither role in mail, or was never seen."""

MAX_SERIAL = 1 << 159
_BY_ROLES = {tuple(p.value for p in profile.purposes): name for name, profile in HOST_PROFILES.items()}


@dataclass(frozen=True)
class Records:
    """Rows with their DER where the certificate was found, and the last CRL number that was used."""

    rows: tuple[tuple[Row, bytes | None], ...]
    crl_number: int

    @property
    def revoked(self) -> int:
        """How many of them are revoked."""
        return sum(row.state is State.REVOKED for row, _ in self.rows)


def read_records(site: Site, found: Found, ca: Certificate) -> Records:
    """Return what can be found; a file that can't be read, or is of another CA, gets a warning.

    Args:
        site: gives the time, and takes warnings.
        found: the files.
        ca: whose certificates are wanted.
    """
    issued = _issued(site, found, ca)
    ledger = _ledger(found, ca)
    crl = _crl(site, found, ca)
    revoked = {entry.serial: entry for entry in crl.entries()} if crl else {}
    revoked |= {entry.serial: entry for entry in foreign.revocations(ledger.values())}
    serials = dict.fromkeys((*ledger, *issued, *revoked))
    rows = tuple(
        _row(_Known(serial, issued.get(serial), ledger.get(serial), revoked.get(serial)), ca, site.clock())
        for serial in counted(_usable(site, serials), len(serials))
    )
    return Records(rows, max(_counter(found) - 1, crl.number or 0 if crl else 0, 0))


def row_of_imported(
    serial: int, ca: Certificate, now: datetime, certificate: Certificate | None = None
) -> tuple[Row, bytes | None]:
    """Return the row of a certificate that came into being elsewhere; its authority is still to be set.

    Args:
        serial: its number.
        ca: who signed it.
        now: when it is recorded.
        certificate: itself, where it was found; without it the end of the authority counts as its end.
    """
    return _row(_Known(serial, certificate, None, None), ca, now)


@dataclass(frozen=True)
class _Known:
    """All that is known of one serial number."""

    serial: int
    certificate: Certificate | None
    ledger: foreign.Row | None
    revoked: Revoked | None


def _issued(site: Site, found: Found, ca: Certificate) -> dict[int, Certificate]:
    certificates: dict[int, Certificate] = {}
    for path in counted(found.issued, len(found.issued)):
        certificate = _leaf(site, path)
        if certificate is None or certificate == ca or not is_issued_by(certificate, ca):
            continue
        kept = certificates.setdefault(certificate.serial_number, certificate)
        if kept != certificate:
            site.warn(f"{path}: shares its serial number with another certificate; only that one is recorded")
    return certificates


def _leaf(site: Site, path: str) -> Certificate | None:
    try:
        return parse_certificates(read_public(path), path).certificates[0]
    except SmtpcredsError as error:
        site.warn(f"{error}; it is not recorded")
        return None


def _ledger(found: Found, ca: Certificate) -> Mapping[int, foreign.Row]:
    if not found.ledger:
        return {}
    rows = foreign.read_index(read_public(found.ledger), found.ledger)
    own = ca.serial_number if ca.subject == ca.issuer else None
    return {row.serial: row for row in rows if row.serial != own}


def _crl(site: Site, found: Found, ca: Certificate) -> Crl | None:
    if not found.crl:
        return None
    try:
        return read_crl(read_public(found.crl), found.crl, ca)
    except SmtpcredsError as error:
        site.warn(f"{error}; it is left out")
        return None


def _counter(found: Found) -> int:
    if not found.crl_counter:
        return 0
    return foreign.read_counter(read_public(found.crl_counter), found.crl_counter)


def _usable(site: Site, serials: Mapping[int, None]) -> Iterator[int]:
    for serial in serials:
        if 0 < serial < MAX_SERIAL:
            yield serial
        else:
            site.warn(f"serial {serial:x}: is outside of what a CRL can list; it is not recorded")


def _row(known: _Known, ca: Certificate, now: datetime) -> tuple[Row, bytes | None]:
    revoked, certificate = known.revoked, known.certificate
    host, profile, names, start, end = _facts(known, ca)
    row = Row(
        authority=0,
        serial=serial_text(known.serial),
        host=host,
        profile=profile,
        names=names,
        not_before=start,
        not_after=end,
        created=now,
        directory="",
        state=State.REVOKED if revoked else State.ISSUED,
        fingerprint=fingerprint(certificate) if certificate else None,
        key_id=public_id(certificate) if certificate else None,
        revoked_at=revoked.at if revoked else None,
        reason=revoked.reason.value if revoked else None,
    )
    return row, encode_der(certificate) if certificate else None


def _facts(known: _Known, ca: Certificate) -> tuple[str, str, tuple[str, ...], datetime, datetime]:
    """Return host, profile, names and times; of a certificate that was not found, what the ledger says."""
    if known.certificate:
        found = describe(known.certificate)
        names = (*found.dns_names, *found.addresses)
        host = found.dns_names[0] if found.dns_names else found.title
        return (
            _plain(host),
            _profile(known.certificate, found.roles),
            names,
            found.not_before,
            found.not_after,
        )
    name = known.ledger.common_name if known.ledger else None
    end = known.ledger.expires if known.ledger else ca.not_valid_after_utc
    host = _plain(name or f"serial {serial_text(known.serial)}")
    return host, OTHER, (), min(ca.not_valid_before_utc, end), end


def _profile(certificate: Certificate, roles: tuple[str, ...]) -> str:
    return INTERMEDIATE.name if authority_of(certificate)[0] else _BY_ROLES.get(roles, OTHER)


def _plain(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name.lower())


Keeping = Callable[[bool], Passphrase | None]
"""From whether the key is encrypted to the question for its passphrase from now on; None: what opened it."""


@dataclass(frozen=True)
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


def adopt(work: Transaction, found: Found, keeping: Keeping, uri: str | None = None) -> Adopted:
    """Take over an authority; its own files stay as they are.

    Args:
        work: where; its passphrase or PIN opens the key.
        found: the files of the authority, from :func:`survey`.
        keeping: what encrypts the key from now on.
        uri: of the key, where it is in a token.
    """
    work.ca.refuse_existing()
    if uri:
        issuer, secret = issuer_in_token(work.site, found, uri, work.pin), None
    else:
        issuer = read_issuer(work.site, found, work.passphrase)
        secret = _kept_under(work, found, keeping)
    work.closing(issuer)
    records = read_records(work.site, found, issuer.certificate)
    inventory = work.begin()
    work.ca.refuse_existing()  # before the lock was taken, another run may have made one
    with inventory.transaction():
        authority = _enter(work, issuer, records)
    crl = next_crl(work.site, inventory, authority, issuer) if may_sign_crls(issuer.certificate) else None
    write_directory(work.ca.files.directory, files_for(issuer, None, crl, secret, site=work.site))
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
        uri is not None or secret is not None,
    )


def _kept_under(work: Transaction, found: Found, keeping: Keeping) -> Secret | None:
    question = keeping(is_encrypted(read_public(found.key or "")))
    return work.ask(question) if question else work.passphrase()


def _enter(work: Transaction, issuer: Issuer, records: Records) -> AuthorityRow:
    """Record authority and certificates; what an earlier import recorded stays, but no revocation is lost."""
    inventory = work.inventory
    authority = row_of(inventory, issuer.certificate) or inventory.add_authority(
        title(issuer.certificate),
        ski=key_identifier(issuer.certificate).hex(),
        der=encode_der(issuer.certificate),
        created=work.now,
        crl_number=records.crl_number,
    )
    oldest_first = sorted(records.rows, key=lambda found: found[0].not_before)
    inventory.adopt((replace(row, authority=authority.id), der) for row, der in oldest_first)
    known = {row.serial for row in inventory.revoked(authority.id)}
    for row, _ in records.rows:
        if row.revoked_at and row.serial not in known:
            inventory.revoke(authority.id, row.serial, row.revoked_at, row.reason or "unspecified")
    return authority
