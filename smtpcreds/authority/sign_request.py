"""Signing the request of a host that keeps its own key: only its names and its key are taken."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..config import Site
from ..errors import NameRefusedError, SmtpcredsError, UsageError
from ..files import read_public, sweep_target, write_all
from ..inventory import Intent, Signed, serial_text
from ..model import Artifact
from ..names import is_qualified
from ..pki.constraints import Address, Names, constraints_of, refusal
from ..pki.issue import new_serial, sign
from ..pki.keys import public_id
from ..pki.pem import encode_der
from ..pki.profiles import Profile
from ..pki.requests import Requested, read_request
from ..pki.values import Certificate, Issuer, Request, Validity, validity
from ..transaction import Transaction
from .install import certificate_file
from .publish import keep_fresh, refresh_elders
from .target import verify_target


@dataclass(frozen=True, slots=True)
class Petition:
    """A request that was read, and what is made of it.

    Attributes:
        request: names and key to be certified.
        ignored: what else was asked for, in words.
        target: file for the certificate, absolute; None is none.
    """

    request: Request
    ignored: tuple[str, ...]
    profile: Profile
    lifetime: timedelta
    target: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and address, as text, the host first."""
        return (*self.request.hosts, *map(str, self.request.addresses))


@dataclass(frozen=True, slots=True)
class Granted:
    """A petition that was granted; ``pem`` is the certificate and those between it and the root."""

    petition: Petition
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
) -> Petition:
    """Read a request and settle what is certified of it.

    Args:
        site: for the default lifetime.
        path: of the request, PEM or DER.
        profile: its extensions are the certificate's.
        days: lifetime; None is the configured one.
        only: certify only these of the names that it asks for; empty is all of them.
        target: where the certificate goes.

    Raises:
        DataError: no proof of possession, a weak key, or broken data.
        NameRefusedError: no host name, a bad one, or one of ``only`` that is not asked for.
        UsageError: no lifetime.
    """
    lifetime = site.settings.cert.days if days is None else days
    if lifetime < 1:
        raise UsageError("days", "a certificate lives at least one day")
    asked = read_request(read_public(path), path, wildcard=True)
    hosts, addresses, ignored = _chosen(asked, only, path)
    host = next((name for name in hosts if not name.startswith("*.")), None)
    if host is None:
        raise NameRefusedError(path, "names no single host, only wildcards or addresses")
    for name in hosts:
        if not is_qualified(name):
            site.warn(f"{path}: {name} stands without a domain, and is certified so or not at all")
    request = Request(host, asked.public_key, tuple(hosts), tuple(addresses))
    return Petition(request, (*asked.ignored, *ignored), profile, timedelta(days=lifetime), target)


def _chosen(asked: Requested, only: tuple[str, ...], path: str) -> tuple[list[str], list[Address], list[str]]:
    """Return the names and addresses to certify, and what is passed over.

    RFC 9525 section 6.3: names stand in the subjectAltName; a common name counts where there is none.
    """
    hosts = asked.dns_names or tuple(filter(None, [asked.common_name]))
    known = [*hosts, *map(str, asked.ip_addresses)]
    wanted = {name.lower().rstrip(".") for name in only} or set(known)
    if missing := wanted - set(known):
        reason = f"does not ask for {', '.join(sorted(missing))}; it asks for {', '.join(known)}"
        raise NameRefusedError(path, reason)
    passed = [f"name {name}" for name in known if name not in wanted]
    if asked.common_name and asked.common_name not in hosts:
        passed.append(f"common name {asked.common_name}")
    addresses = [address for address in asked.ip_addresses if str(address) in wanted]
    return [name for name in hosts if name in wanted], addresses, passed


def sign_request(work: Transaction, petition: Petition, *, force: bool = False) -> Granted:
    """Sign the certificate of a host that keeps its own key.

    Raises:
        MissingInputError: there is no authority.
        NameRefusedError: a name that it may not certify.
        ExistsError: the target is there and ``force`` is not given.
    """

    def deliver(granted: Granted) -> None:
        if petition.target:
            sweep_target(petition.target)
            write_all([Artifact(petition.target, granted.pem)])

    verify_petition(petition, work.ca.chain)
    verify_target(petition.target, force=force)
    issuer = work.issuer()
    refresh_elders(work)
    return grant(work, issuer, petition, deliver)


def verify_petition(petition: Petition, chain: tuple[Certificate, ...]) -> None:
    """Raise NameRefusedError where the name constraints of the authorities forbid one of the names."""
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    names = Names(petition.request.hosts, petition.request.addresses)
    if fault := refusal(constraints, names):
        raise NameRefusedError(petition.request.name, fault, "certify the other names with --san NAME")


def grant(
    work: Transaction,
    issuer: Issuer,
    petition: Petition,
    deliver: Callable[[Granted], object],
    verb: str = "cert sign",
) -> Granted:
    """Sign, deliver and record the certificate of a petition.

    Args:
        work: where.
        issuer: who signs.
        petition: its target is the business of ``deliver``.
        deliver: brings the certificate to where it is wanted; where that fails, it is given up.
        verb: for the record.
    """
    inventory, authority = work.inventory, work.row(issuer.certificate).id
    serial, span = new_serial(), validity(work.now, petition.lifetime, issuer)
    host, number = petition.request.name, serial_text(serial)
    work.note(
        "sign",
        host,
        f"{petition.profile.label} for {', '.join(petition.names)}, {petition.lifetime.days} days",
    )
    inventory.intend([_intent(work.now, authority, petition, number, span)])
    try:
        certificate = sign(petition.request, petition.profile, issuer, serial, span)
        inventory.signed(authority, [Signed(number, public_id(certificate), encode_der(certificate))])
        keep_fresh(work, issuer)
        granted = Granted(petition, certificate, span.shortened, certificate_file(certificate, issuer.path))
        deliver(granted)
    except SmtpcredsError:
        inventory.discard(authority, number, "could not be signed or written")
        raise
    with inventory.transaction():
        inventory.issued(authority, [number])
        work.record(verb, host, f"serial {number}")
    return granted


def _intent(now: datetime, authority: int, petition: Petition, number: str, span: Validity) -> Intent:
    return Intent(
        authority,
        number,
        petition.request.name,
        petition.profile.name,
        petition.names,
        span.not_before,
        span.not_after,
        now,
    )
