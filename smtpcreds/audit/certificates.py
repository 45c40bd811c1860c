"""CERT: certificates that are in use, from their key and their names to the CRLs that speak of them."""

import os
from collections import defaultdict
from collections.abc import Iterator

from ..ca.authority import CA, has_authority
from ..ca.directory import trust, trust_directory_changes
from ..ca.layout import BUNDLE, ca_files, is_due, pair_of
from ..errors import MissingInputError, SmtpcredsError, UnsafePathError
from ..files import read_public
from ..inventory.rows import State
from ..model import Link
from ..names import covers
from ..pki.chains import (
    WEAK_HASHES,
    ChainError,
    Path,
    climb,
    fit_for_purpose,
    is_issued_by,
    is_link_name,
    is_self_signed,
    issuer_hash,
    signs_handshakes,
    subject_hash,
    verify_chain,
)
from ..pki.crl import Crl, read_crl, verify_crl
from ..pki.describe import authority_of
from ..pki.encoding import blocks, parse_certificates
from ..pki.keys import decode_key, matches, public_id, weakness
from ..pki.names import names_of, title
from ..pki.profiles import Purpose
from ..pki.values import Certificate
from .finding import Finding, found
from .permissions import relink, unlink
from .world import (
    CERTIFICATE_END,
    CertificatePlace,
    CertificateUse,
    Host,
    InstalledCertificate,
    certificates_in,
    hosts,
    is_self_signed_default,
    places_of,
    trusted_by,
)

# CERT: a key and its certificate: can they be loaded, do they belong together, are they strong.

_NO_TLS = "so there is no TLS"


def loadable(world: Host) -> Iterator[Finding]:
    """Every file that is configured, or named like a pair, is there and in the form that is read."""
    for place in places_of(world):
        yield from _certificate(world, place)
        if not _cert_pair_is_weak(world, place):
            yield from _key(world, place)
    for path in dict.fromkeys(world.path(use.ca_file) for use in world.uses if use.ca_file):
        yield from _authorities(world, path)


def belongs(world: Host) -> Iterator[Finding]:
    """Each key is that of its certificate."""
    for holding in world.holdings:
        path = holding.place.key
        try:
            key = decode_key(read_public(path), None, path) if os.path.isfile(path) else None
        except SmtpcredsError:
            continue  # CERT002
        if key is not None and not matches(holding.leaf, key):
            reason = f"is not the key of {holding.path}, {_NO_TLS}"
            yield found("CERT001", path, reason, issue_again(world, holding))


def strong(world: Host) -> Iterator[Finding]:
    """Keys that OpenSSL's security level 2 takes, and signatures by a hash that somebody still verifies."""
    for holding in world.holdings:
        if fault := weakness(holding.leaf.public_key()):
            reason = f"has a key that {fault}"
            yield found("CERT010", holding.path, reason, issue_again(world, holding))
        for certificate in (holding.leaf, *holding.others):
            algorithm = certificate.signature_hash_algorithm
            if isinstance(algorithm, WEAK_HASHES) and not is_self_signed(certificate):
                reason = f"{title(certificate)} is signed with {algorithm.name.upper()}"
                yield found("CERT011", holding.path, reason, issue_again(world, holding))


def shared(world: Host) -> Iterator[Finding]:
    """No two hosts have one key."""
    by_key: defaultdict[str, dict[str, InstalledCertificate]] = defaultdict(dict)
    for holding, host in hosts(world.holdings):
        by_key[public_id(holding.leaf)].setdefault(host, holding)
    for owners in by_key.values():
        if len(owners) > 1:
            holding = list(owners.values())[-1]
            reason = f"has the same key as {' and '.join(list(owners)[:-1])}"
            yield found("CERT012", holding.path, reason, issue_again(world, holding))


def issue_again(world: Host, holding: InstalledCertificate, option: str = "") -> str:
    """Return the command that makes a new pair in the same place."""
    return issue(world, holding.path, next(hosts((holding,)))[1], option)


def issue(world: Host, path: str, host: str, option: str = "") -> str:
    """Return the command for a pair at a path, or of files to be configured instead of that path."""
    directory = os.path.dirname(path)
    pair = pair_of(world.site, host, directory)
    command = " ".join(filter(None, ("smtpcreds cert issue", host, option, "--force")))
    if path not in {pair.certificate, pair.key}:
        return f"{at_authority(world, command)}, and configure its files instead of {path}"
    here = directory == world.site.certificates or not has_authority(world.site)
    return at_authority(world, command if here else f"{command} --to {directory}")


def at_authority(world: Host, command: str) -> str:
    """Return a command of the authority, for this host or for the one where that is."""
    return command if has_authority(world.site) else f"on the authority: {command}; then copy the files here"


def _certificate(world: Host, place: CertificatePlace) -> Iterator[Finding]:
    path = place.certificate
    cure = f"{issue(world, path, world.host)}, or correct the path"
    try:
        parsed = parse_certificates(read_public(path), path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)
    else:
        if parsed.encoding != "PEM":
            cure = f"openssl x509 -inform DER -in {path} -out NEW, and put it there"
            yield found("CERT002", path, f"is DER where PEM is read, {_NO_TLS}", cure)


def _key(world: Host, place: CertificatePlace) -> Iterator[Finding]:
    path = place.key
    if not path:
        yield found("CERT002", place.certificate, f"has no key configured, {_NO_TLS}", "configure its key")
        return
    cure = f"{issue(world, path, world.host)}, or put the key back from a backup"
    try:
        decode_key(read_public(path), None, path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)


def _authorities(world: Host, path: str) -> Iterator[Finding]:
    cure = f"{at_authority(world, 'smtpcreds ca crl')}, or correct the path"
    try:
        parse_certificates(read_public(path), path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)


def _cert_pair_is_weak(world: Host, place: CertificatePlace) -> bool:
    held = (holding for holding in world.holdings if holding.place == place)
    return any(weakness(holding.leaf.public_key()) for holding in held)


# CERT: the way up from a certificate, and what of it the mail server will send.


def closes(world: Host) -> Iterator[Finding]:
    """Every certificate leads to a root; its own dates are another check, and so are weak keys."""
    for holding in world.holdings:
        if _is_weak(holding):
            continue
        try:
            verify_chain(holding.leaf, holding.others, holding.known, world.site.clock(), undated=True)
        except ChainError as error:
            yield _open_ended(world, holding, error.reason)


def sent(world: Host) -> Iterator[Finding]:
    """Sendmail sends the first certificate of its file, and of those above it what it finds elsewhere."""
    for holding in world.holdings:
        for use in holding.place.uses:
            if use.program != "sendmail":
                continue
            at_hand = trusted_by(world, use)
            above = climb(holding.leaf, (*at_hand, *holding.others))[1:]
            for missing in (ca for ca in above if not is_self_signed(ca) and ca not in at_hand):
                reason = f"holds {title(missing)}, which Sendmail does not send, so peers find no chain"
                cure = f"append {title(missing)} to {world.path(use.ca_file)}"
                yield found("CERT021", holding.path, reason, cure)


def _open_ended(world: Host, holding: InstalledCertificate, reason: str) -> Finding:
    if is_self_signed_default(world, holding):
        reason = "is self-signed: enough for strangers, who verify nothing, and for nobody who does"
        return found("CERT024", holding.path, reason, issue(world, holding.path, world.name))
    bundle = next((use.ca_file for use in holding.place.uses if use.ca_file), "")
    bundle = world.path(bundle) if bundle else f"{os.path.dirname(holding.path)}/{BUNDLE}"
    issuer = holding.leaf.issuer.rfc4514_string()
    if has_authority(world.site):
        cure = f"{issue_again(world, holding)}, or append the certificate of {issuer} to {bundle}"
    else:
        cure = f"copy {BUNDLE} of the authority to {bundle}, or append the certificate of {issuer}"
    return found("CERT003", holding.path, reason, cure)


def _is_weak(holding: InstalledCertificate) -> bool:
    signed = isinstance(holding.leaf.signature_hash_algorithm, WEAK_HASHES)
    return signed or weakness(holding.leaf.public_key()) is not None


# CERT: for which host, for which role, for which public.

_OPTIONS: dict[tuple[Purpose, ...], str] = {
    (Purpose.SERVER,): "--server",
    (Purpose.CLIENT,): "--client",
}
"""Of ``cert issue``, which without them is for both."""


def names(world: Host) -> Iterator[Finding]:
    """A server's certificate is for its name (RFC 9525), and its common name too, for VERIFY+CN."""
    for holding in world.holdings:
        wanted = _hosts(world, holding)
        held = names_of(holding.leaf).dns_names
        fitting = [host for host in wanted if any(host == name or covers(name, host) for name in held)]
        if wanted and not fitting:
            reason = f"is not for {' or '.join(wanted)}; it holds {', '.join(held) or 'no name'}"
            yield found("CERT007", holding.path, reason, issue(world, holding.path, wanted[-1]))
        elif fitting and holding.serves("sendmail") and title(holding.leaf) not in fitting:
            reason = f"has the common name {title(holding.leaf)}, and the host is {fitting[0]}"
            yield found("CERT008", holding.path, reason, issue(world, holding.path, fitting[0]))


def roles(world: Host) -> Iterator[Finding]:
    """The extendedKeyUsage and keyUsage allow what the certificate is configured for."""
    for holding in world.holdings:
        path = Path((holding.leaf,), world.site.clock(), holding.roles)
        fault = fit_for_purpose(path) or signs_handshakes(path)
        if fault:
            where = ", ".join(dict.fromkeys(f"{u.program} as {u.role.value}" for u in holding.place.uses))
            reason = fault + (f", and is configured in {where}" if where else "")
            option = _OPTIONS.get(holding.roles, "")
            yield found("CERT009", holding.path, reason, issue_again(world, holding, option))


def public(world: Host) -> Iterator[Finding]:
    """A host that takes mail for its domain from anywhere shows a certificate that anybody knows."""
    domain = world.site.domain
    if not domain or domain not in _received(world):
        return
    for holding in world.holdings:
        servers = [program for program in ("sendmail", "postfix") if holding.serves(program)]
        if servers and any(is_issued_by(holding.leaf, ca) for ca in world.authorities):
            reason = f"is of a private CA, and {servers[0]} takes mail for {domain} from strangers"
            yield found("CERT022", holding.path, reason, f"smtpcreds cert request {world.host}")


def _hosts(world: Host, holding: InstalledCertificate) -> tuple[str, ...]:
    """Return the names that clients may ask for; none for a certificate that serves no clients."""
    if is_self_signed_default(world, holding):
        return ()
    if holding.serves("sendmail"):
        return world.hosts
    if holding.serves("postfix") and world.postfix:
        own = world.postfix.value("myhostname")
        return (own,) if own else world.hosts
    if holding.place.uses or not holding.row or Purpose.SERVER not in holding.roles:
        return ()
    return (holding.row.host,)


def _received(world: Host) -> set[str]:
    """Return the domains for which mail comes in: classes w and R of Sendmail, mydestination of Postfix."""
    found: set[str] = set()
    if world.sendmail:
        for name in ("w", "R"):
            found |= world.sendmail.classes.get(name, frozenset())
            text = world.text(world.sendmail.class_files.get(name, "/nonexistent")) or ""
            found |= {line.strip() for line in text.splitlines() if not line.startswith("#")}
    if world.postfix:
        found |= set(world.postfix.words("mydestination"))
    return {name.lower() for name in found}


# CERT: lists of revoked certificates, whose absence nobody notices and whose end stops everything.

_LABELS = {"X509 CRL", "CRL"}


def present(world: Host) -> Iterator[Finding]:
    """Sendmail is told of a CRL, and finds it; else it believes revoked certificates without a word."""
    for use in world.uses:
        if use.program == "sendmail" and (why := _absent(world, use)):
            yield found("CERT013", world.path(use.config), why, f"{_cure(world)}, and define confCRL")


def readable(world: Host) -> Iterator[Finding]:
    """Each file of a CRL holds one, as PEM."""
    for path in _files(world):
        content = world.content(path)
        if content is None:
            continue
        lists = [block for block in blocks(content) if block.label in _LABELS]
        if not lists or any(block.decode() is None for block in lists):
            what = "is empty" if not content else "is no PEM of a CRL"
            yield found("CERT017", path, f"{what}, so Sendmail revokes nothing", _cure(world))
        elif len(lists) > 1:
            reason = f"holds {len(lists)} CRLs, of which Sendmail reads the first"
            yield found(
                "CERT018", path, reason, "give each a file of its own in confCRL_PATH, and openssl rehash"
            )


def current(world: Host) -> Iterator[Finding]:
    """Each CRL is valid now, and for a while yet."""
    now = world.site.clock()
    for path, crl in _lists(world):
        begin, end = crl.this_update, crl.next_update
        if not crl.is_current(now):
            fault = f"expired on {end:%Y-%m-%d %H:%M} UTC" if end and now > end else "is not valid yet"
            reason = f"{fault}, so Sendmail refuses every certificate of its CA"
            yield found("CERT014", path, reason, _cure(world))
        elif end and is_due(begin, end, now):
            yield found(
                "CERT015",
                path,
                f"expires on {end:%Y-%m-%d}, in {(end - now).days} days",
                _cure(world),
            )


def issued(world: Host) -> Iterator[Finding]:
    """Each CRL is signed by a CA that is believed here."""
    for path, crl in _lists(world):
        authorities = [*certificates_in(f"{os.path.dirname(path)}/cacert.pem"), *world.authorities]
        for use in world.uses:
            authorities += trusted_by(world, use)
        if authorities and not any(_is_of(crl, ca, path) for ca in dict.fromkeys(authorities)):
            reason = f"is not signed by a CA that is believed here, but by {crl.issuer}"
            yield found("CERT016", path, reason, _cure(world))


def crls_in(world: Host, directory: str) -> Iterator[tuple[str, Crl]]:
    """Yield the CRLs of a directory that can be read."""
    for name in world.names(directory):
        if name.startswith("crl") and name.endswith(".pem"):
            path = f"{directory}/{name}"
            try:
                yield path, read_crl(read_public(path), path, None)
            except SmtpcredsError:
                continue  # CERT017


def _cure(world: Host) -> str:
    return at_authority(world, "smtpcreds ca crl")


def _absent(world: Host, use: CertificateUse) -> str | None:
    if use.crl_file:
        path = world.path(use.crl_file)
        return None if os.path.exists(path) else f"names the CRL {path}, which is missing: nothing is revoked"
    if not use.crl_path:
        return "names no CRL, so certificates that were revoked are believed"
    names = world.names(world.path(use.crl_path))
    stems = {subject_hash(ca) for ca in trusted_by(world, use)}
    if any(name.partition(".r")[0] in stems for name in names if ".r" in name):
        return None
    return f"has CRLPath {use.crl_path}, where no hash link leads to a CRL: nothing is revoked"


def _files(world: Host) -> list[str]:
    """Return the CRL files that are configured, lie beside certificates, or with the authority."""
    named = [world.path(use.crl_file) for use in world.uses if use.crl_file]
    lying = [
        f"{directory}/{name}"
        for directory in world.own_places
        for name in world.names(directory)
        if name.startswith("crl") and name.endswith(".pem")
    ]
    return list(dict.fromkeys((*named, *lying, ca_files(world.site).crl)))


def _lists(world: Host) -> Iterator[tuple[str, Crl]]:
    for path in _files(world):
        content = world.content(path)
        first = next((block for block in blocks(content or b"") if block.label in _LABELS), None)
        if first:
            try:
                yield path, read_crl(first.text(), path, None)
            except SmtpcredsError:
                continue  # CERT017


def _is_of(crl: Crl, issuer: Certificate, path: str) -> bool:
    try:
        verify_crl(crl, issuer, path)
    except SmtpcredsError:
        return False
    return True


# CERT: from when to when, and whether it was revoked meanwhile.


def dates(world: Host) -> Iterator[Finding]:
    """Every certificate is valid now, and for a while yet."""
    now = world.site.clock()
    for holding, host in hosts(world.holdings):
        begin, end = holding.leaf.not_valid_before_utc, holding.leaf.not_valid_after_utc
        renew = f"smtpcreds cert renew {host}" if holding.row else issue_again(world, holding)
        if now > end:
            yield found("CERT004", holding.path, f"expired on {end:%Y-%m-%d %H:%M} UTC", renew)
        elif now < begin:
            reason = f"is not valid before {begin:%Y-%m-%d %H:%M} UTC"
            yield found("CERT006", holding.path, reason, issue_again(world, holding))
        elif is_due(begin, end, now):
            reason = f"expires on {end:%Y-%m-%d}, in {(end - now).days} days"
            yield found("CERT005", holding.path, reason, renew)


def revoked(world: Host) -> Iterator[Finding]:
    """No certificate in use is one that its CA has revoked."""
    for holding in world.holdings:
        if why := _revoked(world, holding):
            yield found("CERT023", holding.path, why, issue_again(world, holding))


def _revoked(world: Host, holding: InstalledCertificate) -> str | None:
    row = holding.row
    if row and row.state is State.REVOKED and row.revoked_at:
        return f"was revoked on {row.revoked_at:%Y-%m-%d} ({row.reason})"
    issuers = [ca for ca in (*holding.known, *world.authorities) if is_issued_by(holding.leaf, ca)]
    for path, crl in crls_in(world, os.path.dirname(holding.path)):
        entry = crl.find(holding.leaf.serial_number)
        if entry and any(_is_by(crl, path, issuer) for issuer in issuers):
            return f"was revoked on {entry.at:%Y-%m-%d} ({entry.reason.value}), says {path}"
    return None


def _is_by(crl: Crl, path: str, issuer: Certificate) -> bool:
    try:
        verify_crl(crl, issuer, path)
    except SmtpcredsError:
        return False
    return True


# CERT: the hash links of a certificate directory, without which OpenSSL finds nothing there.


def missing(world: Host) -> Iterator[Finding]:
    """Every CA certificate and CRL of ours has its link."""
    for directory in world.own_places:
        try:
            wanted = (
                trust_directory_changes(CA(world.site), directory)
                if CA(world.site).is_there
                else trust(directory, ())
            )
        except UnsafePathError:
            continue  # PERM says so, of the bundle or of a directory above it
        links = [link for link in wanted if isinstance(link, Link)]
        for link in (*links, *_of_others(world, directory)):
            target = f"{directory}/{link.target}"
            if os.path.exists(target):
                reason = f"{link.target} has no hash link, so it is not found in {directory}"
                yield found("CERT019", link.path, reason, f"ln -sfn {link.target} {link.path}", relink(link))


def stale(world: Host) -> Iterator[Finding]:
    """Every link leads to a file of that name's hash."""
    for directory in world.own_places:
        for name in world.names(directory):
            path = f"{directory}/{name}"
            if is_link_name(name) and os.path.islink(path) and (why := _fault(path, name)):
                yield found("CERT020", path, why, f"rm {path}", unlink(path))


def _of_others(world: Host, directory: str) -> Iterator[Link]:
    """Yield the links that lack for CA certificates in files of their own, as an administrator puts them."""
    if directory not in {world.path(use.ca_path) for use in world.uses}:
        return
    bundle = certificates_in(f"{directory}/{BUNDLE}")
    for name in world.names(directory):
        path = f"{directory}/{name}"
        if os.path.islink(path) or name == BUNDLE or name.endswith(CERTIFICATE_END):
            continue
        held = certificates_in(path) if name.endswith((".pem", ".crt")) else ()
        if len(held) == 1 and authority_of(held[0])[0] and held[0] not in bundle:
            yield from _unlinked(directory, name, held[0])


def _unlinked(directory: str, name: str, authority: Certificate) -> Iterator[Link]:
    stem = subject_hash(authority)
    for number in range(10):
        path = f"{directory}/{stem}.{number}"
        if authority in certificates_in(path):
            return
        if not os.path.lexists(path):
            yield Link(path, name)
            return


def _fault(path: str, name: str) -> str | None:
    if not os.path.exists(path):
        return f"leads to {os.readlink(path)}, which is not there"
    stem = name.partition(".")[0]
    if ".r" in name:
        hashes = list(_crl_hashes(path))  # none where CERT017 says why
        is_right = stem in hashes or not hashes
        return None if is_right else f"leads to {os.readlink(path)}, which is of another name"
    held = {subject_hash(certificate) for certificate in certificates_in(path)}
    return None if stem in held else f"leads to {os.readlink(path)}, which holds nothing of that name"


def _crl_hashes(path: str) -> Iterator[str]:
    """Yield the hash of each CRL that can be read; OpenSSL reads all of a file that a link leads to."""
    for block in blocks(read_public(path)):
        try:
            yield issuer_hash(read_crl(block.text(), path, None).parsed)
        except SmtpcredsError:
            continue
