"""CERT: a key and its certificate: loadable, of each other, trusted, valid now, for this name and role."""

import os
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache

from ..ca.above import CURE_REVOKED
from ..ca.layout import BUNDLE, CURE_CRL, CURE_EARLY, Pair, bundle_again, issued_again, pair_of, reading
from ..ca.old import without_files
from ..ca.verify import missing as missing_in_place
from ..errors import MissingInputError, SmtpcredsError
from ..files import exists
from ..files.guard import AS_ROOT
from ..inventory.rows import CertificateRow as Row
from ..inventory.rows import State
from ..model import Finding
from ..pki.chains import WEAK_HASHES, Known, climb, is_issued_by, is_self_signed
from ..pki.crl import Crl, is_crl_of
from ..pki.dates import has_ended
from ..pki.names import title
from ..pki.pair_rules import another_key, is_for, name_fault, period_of, role_fault
from ..pki.profiles import Purpose
from ..pki.revocation import revoked_on
from ..pki.values import Certificate
from ..shell import quote
from .crls import crls_in
from .finding import Code
from .host import CertificatePlace, Host, InstalledCertificate
from .proofs import chain_fault, is_proved

_NO_TLS = "so there is no TLS"
_OPTIONS: dict[tuple[Purpose, ...], str] = {
    (Purpose.SERVER,): "--server",
    (Purpose.CLIENT,): "--client",
}
"""Of ``cert issue``, which without them is for both."""


def loadable(host: Host) -> Iterator[Finding]:
    """Every file that is configured, or named like a pair, is there and in the form that is read."""
    weak = {found.place for found in host.certificates if found.weakness}
    for place in host.places:
        yield from _certificate(host, place)
        if place not in weak:
            yield from _key(host, place)
    for path in dict.fromkeys(host.path(use.ca_file) for use in host.uses if use.ca_file):
        yield from _authorities(host, path)


CERT001 = Code.error(
    "CERT001",
    "a private key that is not that of the certificate it is configured with; there is no TLS",
)


def belongs(host: Host) -> Iterator[Finding]:
    """Each key is that of its certificate."""
    for installed in host.certificates:
        path = installed.place.key
        try:
            is_another = path and host.key_id_at(path) != installed.key_id
        except SmtpcredsError:
            continue  # CERT002
        if is_another:
            fault = another_key(installed.path)
            yield CERT001.found(path, f"{fault}, {_NO_TLS}", host.issue_again(installed))


CERT010 = Code.error("CERT010", "a key of a kind or size that mail programs refuse")
CERT011 = Code.error("CERT011", "a certificate that is signed with a hash which is no longer safe")


def strong(host: Host) -> Iterator[Finding]:
    """Keys that OpenSSL's security level 2 takes, and signatures by a hash that somebody still verifies."""
    for installed in host.certificates:
        if fault := installed.weakness:
            yield CERT010.found(installed.path, fault, host.issue_again(installed))
        for certificate in (installed.leaf, *installed.others):
            algorithm = certificate.signature_hash_algorithm
            if isinstance(algorithm, WEAK_HASHES) and not is_self_signed(certificate):
                reason = f"{title(certificate)} is signed with {algorithm.name.upper()}"
                yield CERT011.found(installed.path, reason, host.issue_again(installed))


CERT012 = Code.warning(
    "CERT012",
    "one private key for several hosts; an intruder on one host can impersonate the others",
)


def shared(host: Host) -> Iterator[Finding]:
    """No two hosts have one key."""
    by_key: defaultdict[str, dict[str, InstalledCertificate]] = defaultdict(dict)
    for installed in host.certificates:
        by_key[installed.key_id].setdefault(installed.host, installed)
    for owners in by_key.values():
        if len(owners) > 1:
            installed = list(owners.values())[-1]
            reason = f"has the same key as {' and '.join(list(owners)[:-1])}"
            yield CERT012.found(installed.path, reason, host.issue_again(installed))


CERT002 = Code.error(
    "CERT002",
    "a key, certificate or CA file that is configured and that the mail server can't load: missing, empty, "
    "encrypted, or not PEM; there is no TLS",
)


def _certificate(host: Host, place: CertificatePlace) -> Iterator[Finding]:
    path = place.certificate
    if why := _unusable(host, host.parsed, path):
        yield CERT002.found(path, why, f"{host.issue(path, host.known_as)}, or correct the path")
    elif host.parsed(path).encoding != "PEM":
        cure = f"openssl x509 -inform DER -in {quote(path)} -out {quote(path)}"
        yield CERT002.found(path, f"is DER where PEM is read, {_NO_TLS}", cure)


def _key(host: Host, place: CertificatePlace) -> Iterator[Finding]:
    path = place.key
    if not path:
        yield CERT002.found(place.certificate, f"has no key configured, {_NO_TLS}", "configure its key")
    elif why := _unusable(host, host.key_id_at, path):
        cure = f"put the key back from a backup, or: {host.issue(path, host.known_as)}"
        yield CERT002.found(path, why, cure)


def _authorities(host: Host, path: str) -> Iterator[Finding]:
    if why := _unusable(host, host.parsed, path):
        cure = f"{host.at_authority('smtpcreds ca crl')}, or correct the path"
        yield CERT002.found(path, why, cure)


def _unusable(host: Host, look: Callable[[str], object], path: str) -> str | None:
    """Return why a file can't be read as what it should be, or None; also where this user may not read it."""
    try:
        look(path)
    except MissingInputError:
        return f"is missing, {_NO_TLS}"
    except SmtpcredsError as error:
        if error.hint != AS_ROOT:
            return f"{error.reason}, {_NO_TLS}"
        host.unread.append(error)
    return None


def closes(host: Host) -> Iterator[Finding]:
    """Every certificate leads to a root; its own dates are another check, and so are weak keys."""
    gone, now = host.attempt(lambda: _gone(host), list[Certificate]()), host.site.clock()
    for number, installed in enumerate(host.certificates):
        if installed.weakness or isinstance(installed.leaf.signature_hash_algorithm, WEAK_HASHES):
            continue
        fault = None if is_proved(number, installed) else chain_fault(installed, now)
        if fault:
            yield _open_ended(host, installed, fault)
        else:
            yield from (_of_gone(host, installed, ca) for ca in gone if is_issued_by(installed.leaf, ca))


CERT021 = Code.error(
    "CERT021",
    "an intermediate certificate that Sendmail will not send: it reads only the first certificate of its "
    "certificate file, and the intermediate is neither in confCACERT nor hashed in confCACERT_PATH",
)


def sent(host: Host) -> Iterator[Finding]:
    """Sendmail sends the first certificate of its file, and of those above it what it finds elsewhere."""
    for installed in host.certificates:
        for use in installed.place.uses:
            if use.program != "sendmail":
                continue
            at_hand = host.trusted_by(use)
            above = climb(installed.leaf, (*at_hand, *installed.others))[1:]
            for missing in (ca for ca in above if not is_self_signed(ca) and ca not in at_hand):
                reason = f"holds {title(missing)}, which Sendmail does not send, so peers find no chain"
                cure = f"append {title(missing)} to {host.path(use.ca_file)}"
                yield CERT021.found(installed.path, reason, cure)


CERT024 = Code.note(
    "CERT024",
    "a self-signed certificate, such as Debian's snakeoil, on a host that is not the hub: accepted only by "
    "peers that do not verify it",
)
CERT003 = Code.error("CERT003", "a certificate whose chain does not lead to a root that is known here")


def _open_ended(host: Host, installed: InstalledCertificate, reason: str) -> Finding:
    if host.is_self_signed_default(installed):
        reason = "is self-signed: accepted only by peers that do not verify it"
        return CERT024.found(installed.path, reason, _instead(host, installed))
    bundle = next((use.ca_file for use in installed.place.uses if use.ca_file), "")
    bundle = host.path(bundle) if bundle else f"{os.path.dirname(installed.path)}/{BUNDLE}"
    issuer = installed.leaf.issuer.rfc4514_string()
    if host.ca.is_there:
        cure = f"{host.issue_again(installed)}, or append the certificate of {issuer} to {quote(bundle)}"
        is_ours = bundle == f"{host.site.certificates}/{BUNDLE}"
        cure = CURE_CRL if is_ours and is_issued_by(installed.leaf, host.ca.certificate) else cure
        cure = _ROLLOVER if _ends_with_authority(host, installed) else cure
    elif host.is_client and bundle == f"{host.site.certificates}/{BUNDLE}" and not exists(bundle):
        cure = bundle_again(host.site, host.name, "--no-key")
    else:
        cure = f"copy {BUNDLE} of the authority to {quote(bundle)}, or append the certificate of {issuer}"
    return CERT003.found(installed.path, reason, cure)


def _gone(host: Host) -> list[Certificate]:
    """Return the authorities of ours that no bundle has any more: retired, or lost."""
    if not host.ca.is_there:
        return []
    retired = [old.certificate for old in host.ca.retired if old.certificate not in host.ca.trusted]
    with reading(host.site) as inventory:
        return [*retired, *without_files(inventory, host.ca)]


def _of_gone(host: Host, installed: InstalledCertificate, authority: Certificate) -> Finding:
    """Tell of what client hosts refuse after their next bundle, whatever CA certificates lie beside it."""
    own = pair_of(host.site, host.name).certificate
    programs = [use.program for use in installed.place.uses if use.role is Purpose.SERVER]
    cure = host.issue_again(installed)
    if programs and installed.path != own and installed.leaf not in host.certificates_in(own):
        cure = f"smtpcreds mta apply {programs[0]}-hub --force --edit --run"
    reason = f"is of {title(authority)}, which is lost or retired: client hosts do not trust it any more"
    return CERT003.found(installed.path, reason, cure)


_ROLLOVER = "smtpcreds ca rollover && smtpcreds cert renew --old-authority"


def _ends_with_authority(host: Host, installed: InstalledCertificate) -> bool:
    """Tell whether only a new authority can give the host a certificate that lives longer."""
    ca = host.ca
    if not (ca.is_there and is_issued_by(installed.leaf, ca.certificate)):
        return False
    end = ca.certificate.not_valid_after_utc
    return installed.leaf.not_valid_after_utc >= end or has_ended(end, host.site.clock())


def _instead(host: Host, installed: InstalledCertificate) -> str:
    """Return the way to a certificate of ours: the one that this host has, else one of the authority."""
    own, path = pair_of(host.site, host.name), installed.path
    if installed.place.uses and not (host.ca.is_there or host.site.settings.hub):
        return f"for a hub: smtpcreds setup {host.name} {_mail_programs(host)} --edit --run"
    if host.certificates_in(own.certificate) and path != own.certificate:
        return f"configure {own.key} and {own.certificate} instead of {path}"
    return host.issue(path, host.name)


def _mail_programs(host: Host) -> str:
    """Return the options of ``setup`` for a mail server here, and for Dovecot where that is."""
    there = {"sendmail": host.sendmail, "postfix": host.postfix, "exim": host.exim}
    servers = [name for name, found in there.items() if found]
    return " ".join(f"--mta {name}" for name in (*servers[:1], *(["dovecot"] if host.dovecot else [])))


CERT004 = Code.error("CERT004", "a certificate that has expired")
CERT006 = Code.error("CERT006", "a certificate that is not valid yet")
CERT005 = Code.warning("CERT005", "a certificate that has less than a third of its lifetime left")


def dates(host: Host) -> Iterator[Finding]:
    """Every certificate is valid now, and for a while yet."""
    now = host.site.clock()
    for installed in host.certificates:
        period = period_of(installed.leaf)
        if fault := period.fault(now):
            code = CERT006 if now < period.begin else CERT004
            yield code.found(installed.path, fault, _renewal(host, installed))
        elif remark := period.remark(now):
            yield CERT005.found(installed.path, remark, _renewal(host, installed))


def _renewal(host: Host, installed: InstalledCertificate) -> str:
    ca = host.ca
    if ca.is_there and host.site.clock() < ca.certificate.not_valid_before_utc:
        again = f"{CURE_EARLY} && smtpcreds cert renew --old-authority"
        return f"set the clock of this host, if it is behind, or: {again}"
    if _ends_with_authority(host, installed):
        return _ROLLOVER
    if host.is_client:
        return bundle_again(host.site, installed.host, "--new-key")
    return f"smtpcreds cert renew {quote(installed.host)}" if installed.row else host.issue_again(installed)


CERT023 = Code.error("CERT023", "a certificate that is revoked")
_Searched = tuple[str, Crl, Container[int]]
"""A CRL with its file, and the serial numbers of those that were looked for that it lists."""


def revoked(host: Host) -> Iterator[Finding]:
    """No certificate in use is one that its CA has revoked."""
    known = cache(lambda beside: Known((*beside, *host.authorities)))
    ways = [(one, climb(one.leaf, known(one.known))) for one in host.certificates]
    serials = {certificate.serial_number for _, way in ways for certificate in way}
    lists = cache(lambda directory: [(path, crl, crl.among(serials)) for path, crl in crls_in(directory)])
    for installed, (leaf, *above) in ways:
        crls, issuers = lists(os.path.dirname(installed.path)), known(installed.known)
        if why := _in_inventory(installed.row) or _listed(leaf, issuers, crls):
            yield CERT023.found(installed.path, why, _cure_revoked(host, installed))
        elif why := _listed_above(above, issuers, crls):
            yield CERT023.found(installed.path, why, host.at_authority(CURE_REVOKED))


def _cure_revoked(host: Host, installed: InstalledCertificate) -> str:
    row = installed.row
    if (
        row
        and host.has_authority
        and Pair(host.site.root.locate(row.directory)).certificate == installed.path
    ):
        return issued_again(host.site, row)
    return host.issue_again(installed)


def _in_inventory(row: Row | None) -> str | None:
    if row and row.state is State.REVOKED and row.revoked_at:
        return revoked_on(row.revoked_at, row.reason or "")
    return None


def _listed_above(authorities: Iterable[Certificate], known: Known, crls: Iterable[_Searched]) -> str | None:
    said = ((authority, _listed(authority, known, crls)) for authority in authorities)
    return next((f"its CA {title(authority)} {why}" for authority, why in said if why), None)


def _listed(certificate: Certificate, known: Known, crls: Iterable[_Searched]) -> str | None:
    serial = certificate.serial_number
    for path, crl, listed in crls:
        if serial in listed and any(is_crl_of(crl, issuer) for issuer in known.issuers_of(certificate)):
            return f"{crl.find(serial)}, says {path}"
    return None


CERT027 = Code.error(
    "CERT027",
    "a host's certificate, or the authority, that is in use according to the inventory, and is missing",
)


def recorded(host: Host) -> Iterator[Finding]:
    """What the inventory says to be in use is there; what is configured and missing is CERT002."""
    configured = {path for place in host.places for path in (place.certificate, place.key)}
    nothing: list[Finding] = []
    for finding in host.attempt(lambda: missing_in_place(host.site), nothing):
        if finding.subject not in configured:
            yield CERT027.found(finding.subject, finding.message, finding.cure)


CERT007 = Code.warning("CERT007", "a server certificate that is not for the name of its host")
CERT008 = Code.note(
    "CERT008",
    "a server certificate whose common name is not the host's, so that VERIFY+CN of other Sendmails "
    "refuses it",
)


def names(host: Host) -> Iterator[Finding]:
    """A server's certificate is for its name (RFC 9525), and its common name too, for VERIFY+CN."""
    for installed in host.certificates:
        leaf, wanted = installed.leaf, _wanted(host, installed)
        fitting = [name for name in wanted if is_for(leaf, name)]
        if fault := name_fault(leaf, wanted):
            yield CERT007.found(installed.path, fault, host.issue(installed.path, wanted[-1]))
        elif fitting and installed.serves("sendmail") and title(leaf) not in fitting:
            reason = f"has the common name {title(leaf)}, and the host is {fitting[0]}"
            yield CERT008.found(installed.path, reason, host.issue(installed.path, fitting[0]))


CERT009 = Code.error(
    "CERT009",
    "a certificate that is not for the role in which it is configured (extendedKeyUsage, keyUsage); the "
    "other side refuses it",
)


def roles(host: Host) -> Iterator[Finding]:
    """The extendedKeyUsage and keyUsage allow what the certificate is configured for."""
    for installed in host.certificates:
        if fault := role_fault(installed.leaf, installed.roles):
            where = ", ".join(dict.fromkeys(f"{u.program} as {u.role.value}" for u in installed.place.uses))
            reason = fault + (f", and is configured in {where}" if where else "")
            option = _OPTIONS.get(installed.roles, "")
            yield CERT009.found(installed.path, reason, host.issue_again(installed, option))


CERT022 = Code.note(
    "CERT022",
    "a certificate of a private CA on a host that receives mail from the Internet, where the CA is unknown; "
    "with MTA-STS other servers would not deliver",
)


def public(host: Host) -> Iterator[Finding]:
    """A host that takes mail for its domain from anywhere shows a certificate that anybody knows."""
    domain = host.site.domain
    if not domain or domain not in _received(host):
        return
    for installed in host.certificates:
        servers = [program for program in ("sendmail", "postfix") if installed.serves(program)]
        if servers and any(is_issued_by(installed.leaf, ca) for ca in host.authorities):
            reason = f"is of a private CA, and {servers[0]} receives mail for {domain} from the Internet"
            yield CERT022.found(installed.path, reason, f"smtpcreds cert request {host.known_as}")


def _wanted(host: Host, installed: InstalledCertificate) -> tuple[str, ...]:
    """Return the names that clients may ask for; none for a certificate that serves no clients."""
    if host.is_self_signed_default(installed):
        return ()
    if installed.serves("sendmail"):
        return host.server_names
    if installed.serves("postfix") and host.postfix:
        own = host.postfix.value("myhostname")
        return (own,) if own else host.server_names
    if installed.place.uses or not installed.row or Purpose.SERVER not in installed.roles:
        return ()
    return (installed.row.host,)


def _received(host: Host) -> set[str]:
    """Return the domains for which mail comes in: classes w and R of Sendmail, mydestination of Postfix."""
    found: set[str] = set()
    if host.sendmail:
        for name in ("w", "R"):
            found |= host.sendmail.classes.get(name, frozenset())
            text = host.text(host.sendmail.class_files.get(name, "/nonexistent")) or ""
            found |= {line.strip() for line in text.splitlines() if not line.startswith("#")}
    if host.postfix:
        found |= set(host.postfix.words("mydestination"))
    return {name.lower() for name in found}
