"""An authority that another program made: which of its files are what, and whether it can go on as ours."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..config import Site
from ..errors import DataError, ForeignFormatError, MissingInputError, UsageError
from ..files import disk, explained, names_in, read_public
from ..pki.chains import ChainError, is_self_signed, verify_chain
from ..pki.crl import may_sign_crls
from ..pki.dn import MAX_DN, part_fault, sendmail_dn, title
from ..pki.foreign_layouts import Found, recognise
from ..pki.keyfile import is_encrypted
from ..pki.keys import PrivateKey, matches
from ..pki.pem import parse_certificates
from ..pki.values import Certificate, Issuer
from .ca import Passphrase, decrypted

NOTHING = Found("files", "", None, (), (), (), None, None, None)


@dataclass(frozen=True, slots=True)
class Named:
    """What the options name; any of it goes before what is found in the directory."""

    directory: str | None = None
    key: str | None = None
    certificate: str | None = None
    chain: str | None = None


def survey(named: Named) -> Found:
    """Return the files of the authority, with absolute paths.

    Raises:
        UsageError: neither a directory, nor key and certificate.
        ForeignFormatError: a directory without an authority of a known kind.
        MissingInputError: no such directory, or its key is elsewhere.
        AmbiguousError: several certificates could be the CA's.
    """
    found = _recognised(named.directory) if named.directory else NOTHING
    found = replace(
        found,
        key=named.key or found.key,
        certificate=named.certificate or found.certificate,
        parents=(named.chain,) if named.chain else found.parents,
    )
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
            "holds no authority of easy-rsa, openssl ca, step, mkcert, minica or certstrap",
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
    """Return the authority, if its certificates issued from here would be accepted.

    Raises:
        WrongPassphraseError, DeniedError: the key does not open.
        DataError: another key's certificate, no CA certificate, expired, weak, or without its issuers.
    """
    path = found.key or ""
    pem = _read_key(site, path)
    key = decrypted(pem, passphrase, path)
    certificates = parse_certificates(read_public(found.certificate), found.certificate).certificates
    if disk().is_preview and is_encrypted(pem):
        issuer = Issuer.trial(certificates[0])
    else:
        issuer = Issuer(_owned(certificates, key, found), key)
    own = issuer.certificate
    above = [ca for ca in certificates if ca != own]
    for parent in found.parents:
        above += parse_certificates(read_public(parent), parent).certificates
    if issuer.key_usage and not issuer.key_usage.key_cert_sign:
        raise DataError(found.certificate, "may not sign certificates (keyUsage lacks keyCertSign)")
    chain = _chain(own, above, site)
    _warn_of_name(site, own)
    if not may_sign_crls(own):
        site.warn(f"{title(own)}: may not sign CRLs, so nothing can be revoked; a successor may: ca rollover")
    return replace(issuer, parents=chain[1:])


def _owned(certificates: Sequence[Certificate], key: PrivateKey, found: Found) -> Certificate:
    own = next((certificate for certificate in certificates if matches(certificate, key)), None)
    if own is None:
        raise DataError(found.key or "", f"is not the key of {found.certificate}")
    return own


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
