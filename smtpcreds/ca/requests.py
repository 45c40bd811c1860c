"""Certificate signing requests: ours to another CA, and those of hosts that keep their own key."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from ..config import Site
from ..errors import UNUSABLE, ExistsError, NameRefusedError, SmtpcredsError, UsageError, number_of
from ..files import exists, read_private, read_public, sweep_target, write_all
from ..inventory.rows import CertificateRow, Intent, Signed, State, serial_text
from ..lazy import dataclass
from ..model import Artifact
from ..names import is_qualified
from ..pki.encoding import encode_der
from ..pki.issue import new_serial, sign
from ..pki.keys import KeyType, PrivateKey, decode_key, encode_key, generate, key_label, public_id
from ..pki.names import Address, Names, constraints_of, refusal
from ..pki.profiles import Profile
from ..pki.requests import Requested, make_request, read_request
from ..pki.values import Certificate, Issuer, Request, Validity, validity
from ..transaction import Transaction
from .directory import certificate_file, check, prepare
from .issue import CertificateRequest, alternatives
from .layout import verify_target
from .publish import keep_fresh, refresh_superseded_crls

# Requests to another CA: a key that waits on this host, and what that CA is to certify.


@dataclass(frozen=True)
class CsrOptions:
    """What a request is to say, and with which key.

    Attributes:
        order: host, names, type of a new key, place; its profile and lifetime are the other CA's affair.
        key_type: the type that a key which is there must have; None takes any.
        new_key: make a new one even if there is one.
        force: a new key may replace one that waits.
    """

    order: CertificateRequest
    key_type: KeyType | None = None
    new_key: bool = False
    force: bool = False


@dataclass(frozen=True)
class PlacedCsr:
    """A request that is in place.

    Attributes:
        key_path: where its key waits, or is in use.
        key_label: kind of the key, for people.
        made_key: this run made the key.
        changed: this run wrote the request; an equal one is left as it is.
        pem: the request.
    """

    order: CertificateRequest
    key_path: str
    key_label: str
    made_key: bool
    changed: bool
    pem: bytes


@dataclass(frozen=True)
class _Found:
    path: str
    key: PrivateKey


def request(work: Transaction, wish: CsrOptions) -> PlacedCsr:
    """Make a key, unless there is one, and a request.

    A key that waits for its certificate is taken again, and so is the one in use; a pair in use is never
    touched: its next key waits beside it.
    """
    order, pair = wish.order, wish.order.pair
    check(pair.directory)
    found = _standing(wish)
    path, key = (found.path, found.key) if found else (_new_path(wish), generate(order.key_type))
    standing = _standing_request(order, key) if found else None
    pem = standing or make_request(key, order.host, order.dns_names, order.addresses)
    if not standing:
        work.begin()
        prepare(work.site, pair.directory)
        for target in (path, pair.request):
            sweep_target(target)
        files = [] if found else [Artifact(path, encode_key(key), note=f"{order.key_type.label} key")]
        write_all([*files, Artifact(pair.request, pem, note=", ".join(order.names))])
        work.record("cert request", order.host, f"{'new key' if files else 'same key'} {path}")
    return PlacedCsr(order, path, key_label(key), not found, not standing, pem)


def _standing(wish: CsrOptions) -> _Found | None:
    """Return the key that is to be certified, if it is there: the one that waits, else the one in use."""
    pair = wish.order.pair
    path = next((path for path in (pair.next_key, pair.key) if exists(path)), None)
    if path is None or wish.new_key:
        return None
    key = decode_key(read_private(path), None, path)
    if wish.key_type and key_label(key) != wish.key_type.label:
        reason = f"is a {key_label(key)} key that is there already"
        raise ExistsError(path, reason, f"--new-key for a new {wish.key_type.label} one")
    return _Found(path, key)


def _new_path(wish: CsrOptions) -> str:
    pair = wish.order.pair
    path = pair.next_key if exists(pair.certificate) else pair.key
    if exists(path) and not wish.force:
        reason = "waits for the answer of another CA, which could not be installed without it"
        raise ExistsError(path, reason, "smtpcreds cert install FILE, or --force to replace the key")
    return path


def _standing_request(order: CertificateRequest, key: PrivateKey) -> bytes | None:
    """Return the request that is there if it says just this."""
    path = order.pair.request
    try:
        content = read_private(path)
        said = read_request(content, path, wildcard=True)
    except UNUSABLE:
        return None
    wanted = tuple(dict.fromkeys((order.host, *order.dns_names)))
    same = (said.dns_names, said.ip_addresses) == (wanted, tuple(dict.fromkeys(order.addresses)))
    return content if same and said.public_key == key.public_key() else None


# Signing the request of a host that keeps its own key: only its names and its key are taken.


@dataclass(frozen=True)
class Csr:
    """A request that was read, and what is made of it.

    Attributes:
        request: names and key to be certified.
        ignored: what else was asked for, in words.
        target: file for the certificate, absolute; None is none.
        chosen: the administrator named every name; otherwise they are the wish of who made the request.
    """

    request: Request
    ignored: tuple[str, ...]
    profile: Profile
    lifetime: timedelta
    target: str | None
    chosen: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and address, as text, the host first."""
        return (*self.request.hosts, *map(str, self.request.addresses))


@dataclass(frozen=True)
class SignedCsr:
    """A petition that was granted; ``pem`` is the certificate and those between it and the root."""

    asked_csr: Csr
    certificate: Certificate
    shortened: bool
    pem: bytes


def read_petition(
    site: Site,
    path: str,
    profile: Profile,
    *,
    days: int | None = None,
    only: tuple[str, ...] = (),
    target: str | None = None,
) -> Csr:
    """Read a request and settle what is certified of it.

    The subject is the common name where that is certified, else the first host, whatever their order.

    Args:
        site: for the default lifetime.
        path: of the request, PEM or DER.
        profile: its extensions are the certificate's.
        days: lifetime; None is the configured one.
        only: certify only these of the names that it asks for; empty is each single host among them.
        target: where the certificate goes.
    """
    lifetime = site.settings.cert.days if days is None else days
    if lifetime < 1:
        raise UsageError("days", "a certificate lives at least one day")
    asked = read_request(read_public(path), path, wildcard=True)
    hosts, addresses, ignored = _chosen(site, asked, only, path)
    single = [name for name in hosts if not _is_wildcard(name)]
    if not single:
        named = next((name for name in asked.dns_names if not _is_wildcard(name)), asked.common_name)
        hint = f"a certificate is for one host; add: --san {named}" if named and only else None
        raise NameRefusedError(path, "names no single host, only wildcards or addresses", hint)
    host = asked.common_name if asked.common_name in single else single[0]
    for name in hosts:
        if not is_qualified(name):
            site.warn(f"{path}: {name} has no domain; it is certified as it is")
    request = Request(host, asked.public_key, tuple(hosts), tuple(addresses))
    return Csr(
        request, (*asked.ignored, *ignored), profile, timedelta(days=lifetime), target, chosen=bool(only)
    )


def _is_wildcard(name: str) -> bool:
    return name.startswith("*.")


def _chosen(
    site: Site, asked: Requested, only: tuple[str, ...], path: str
) -> tuple[list[str], list[Address], list[str]]:
    """Return the names and addresses to certify, and what is passed over.

    RFC 9525 section 6.3: names stand in the subjectAltName; a common name counts where there is none, or
    where it is asked for.
    """
    common = [asked.common_name] if asked.common_name else []
    hosts = list(asked.dns_names) or common
    known = [*dict.fromkeys((*hosts, *common)), *map(str, asked.ip_addresses)]
    typed = {name.lower().rstrip(".") for name in only}
    wanted = {*(typed & set(known)), *alternatives(site, typed - set(known))}
    wanted = wanted or {name for name in hosts if not _is_wildcard(name)}
    if missing := wanted - set(known):
        reason = f"does not ask for {', '.join(sorted(missing))}; it asks for {', '.join(known)}"
        raise NameRefusedError(path, reason)
    passed = [_passed_over(name, hosts, common) for name in known if name not in wanted]
    addresses = [address for address in asked.ip_addresses if str(address) in wanted]
    return [name for name in dict.fromkeys((*hosts, *common)) if name in wanted], addresses, passed


def _passed_over(name: str, hosts: list[str], common: list[str]) -> str:
    if name in hosts:
        return f"{'wildcard' if _is_wildcard(name) else 'name'} {name}"
    return f"{'common name' if name in common else 'address'} {name}"


def sign_request(work: Transaction, asked_csr: Csr, *, force: bool = False) -> SignedCsr:
    """Sign the certificate of a host that keeps its own key, once the names were confirmed."""
    asked_csr = asked_csr if asked_csr.chosen else _without_taken(work, asked_csr)

    def deliver(granted: SignedCsr) -> None:
        if asked_csr.target:
            sweep_target(asked_csr.target)
            write_all([Artifact(asked_csr.target, granted.pem)])

    verify_petition(asked_csr, work.ca.chain)
    verify_target(asked_csr.target, force=force)
    work.confirm(f"sign a {asked_csr.profile.label} for {', '.join(asked_csr.names)}{_left_out(asked_csr)}")
    issuer = work.issuer()
    refresh_superseded_crls(work)
    return sign_csr(work, issuer, asked_csr, deliver)


def _left_out(asked_csr: Csr) -> str:
    return f" (not for: {'; '.join(asked_csr.ignored)})" if asked_csr.ignored else ""


def _without_taken(work: Transaction, asked_csr: Csr) -> Csr:
    """Return the request without the names of other hosts; refuse one whose own name is another key's."""
    request = asked_csr.request
    taken = _taken(work, request)
    if holder := taken.get(request.name):
        hint = f"if it is to be certified for this key: --san {request.name}"
        raise NameRefusedError(request.name, holder, hint)
    passed = tuple(f"name {name}: it {holder}" for name, holder in taken.items())
    for item in passed:
        work.warn(f"{request.name}: ignored: {item}")
    hosts = tuple(name for name in request.hosts if name not in taken)
    return replace(
        asked_csr, request=replace(request, dns_names=hosts), ignored=(*asked_csr.ignored, *passed)
    )


def _taken(work: Transaction, request: Request) -> dict[str, str]:
    """Return which of the names live certificates hold, and none of this key; and for each whose it is.

    The hub's own name is taken too: another CA may have certified it.
    """
    own, wanted = public_id(request.public_key), set(request.hosts)
    holders: dict[str, list[CertificateRow]] = {}
    inventory = work.known_inventory
    for row in inventory.listing(expires_after=work.now, state=State.ISSUED) if inventory else ():
        for name in wanted.intersection((row.host, *row.names)):
            holders.setdefault(name, []).append(row)
    taken = {
        name: _held(name, rows[0])
        for name, rows in holders.items()
        if own not in {row.key_id for row in rows}
    }
    if work.site.hub in wanted - holders.keys():
        taken[work.site.hub] = "is the name of this hub"
    return {name: taken[name] for name in request.hosts if name in taken}


def _held(name: str, row: CertificateRow) -> str:
    held = "has a live certificate" if name == row.host else f"is a name of {row.host}'s live certificate"
    return f"{held} with another key, serial {row.serial}"


def verify_petition(asked_csr: Csr, chain: tuple[Certificate, ...]) -> None:
    """Raise NameRefusedError where the name constraints of the authorities forbid one of the names."""
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    names = Names(asked_csr.request.hosts, asked_csr.request.addresses)
    if fault := refusal(constraints, names):
        hint = "certify the other names with --san NAME"
        raise NameRefusedError(asked_csr.request.name, fault, hint)


def sign_csr(
    work: Transaction,
    issuer: Issuer,
    asked_csr: Csr,
    deliver: Callable[[SignedCsr], object],
    verb: str = "cert sign",
) -> SignedCsr:
    """Sign, deliver and record the certificate of a petition.

    Args:
        work: where.
        issuer: who signs.
        asked_csr: its target is the business of ``deliver``.
        deliver: brings the certificate to where it is wanted; where that fails, it is given up.
        verb: for the record.
    """
    inventory, authority = work.inventory, work.row(issuer.certificate).id
    serial, span = new_serial(), validity(work.now, asked_csr.lifetime, issuer)
    host, number = asked_csr.request.name, serial_text(serial)
    what = f"{asked_csr.profile.label} for {', '.join(asked_csr.names)}"
    work.note("sign", host, f"{what}, {number_of(asked_csr.lifetime.days, 'day')}")
    inventory.intend([_intent(work.now, authority, asked_csr, number, span)])
    try:
        certificate = sign(asked_csr.request, asked_csr.profile, issuer, serial, span)
        inventory.signed(authority, [Signed(number, public_id(certificate), encode_der(certificate))])
        keep_fresh(work, issuer)
        granted = SignedCsr(
            asked_csr, certificate, span.shortened, certificate_file(certificate, issuer.path)
        )
        deliver(granted)
    except SmtpcredsError:
        inventory.discard(authority, number, "could not be signed or written")
        raise
    with inventory.transaction():
        inventory.issued(authority, [number])
        work.record(verb, host, f"serial {number}")
    return granted


def _intent(now: datetime, authority: int, asked_csr: Csr, number: str, span: Validity) -> Intent:
    return Intent(
        authority,
        number,
        asked_csr.request.name,
        asked_csr.profile.name,
        asked_csr.names,
        span.not_before,
        span.not_after,
        now,
    )
