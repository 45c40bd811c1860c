"""Certificates made once for all tests, with what a verifier should say of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from typing import Any

from cryptography.x509 import Certificate
from hypothesis import settings

from smtpcreds.pki.issue import make_root, new_serial, sign
from smtpcreds.pki.keys import PrivateKey, generate, parse_key_type
from smtpcreds.pki.profiles import HOST_PROFILES, INTERMEDIATE, Profile, Purpose
from smtpcreds.pki.values import Issuer, Request, Validity, validity

DOMAIN = "polkatistas.org"
KEY_TYPES = ("p256", "p384", "rsa2048", "rsa3072", "ed25519")
NOW = datetime.now(UTC).replace(microsecond=0)
PAST = NOW - timedelta(days=700)
YEAR = timedelta(days=365)

calm = settings(deadline=None, max_examples=40)
"""For properties whose examples sign or run a program."""


@dataclass(frozen=True)
class Case:
    """One question to a verifier. ``flaw`` empty: it must accept; else what it must notice."""

    name: str
    key_type: str
    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    root: Certificate
    purpose: Purpose
    host: str
    flaw: str = ""


@cache
def key_of(key_type: str, role: str) -> PrivateKey:
    """A key for each type and role, made once: RSA is slow."""
    return generate(parse_key_type(key_type))


@cache
def root_of(
    key_type: str, *, domains: tuple[str, ...] = (DOMAIN,), dns_only: bool = True, name: str = "Lab"
) -> Issuer:
    key = key_of(key_type, "root")
    life = validity(PAST, YEAR * 10)
    root = make_root(
        f"{name} Root {key_type}",
        "Lab",
        key,
        new_serial(),
        life,
        permitted_domains=domains,
        dns_only=dns_only,
        path_length=1,
    )
    return Issuer(root, key)


@cache
def intermediate_of(
    key_type: str, *, domains: tuple[str, ...] = (DOMAIN,), dns_only: bool = True, name: str = "Lab"
) -> Issuer:
    root = root_of(key_type, domains=domains, dns_only=dns_only, name=name)
    key = key_of(key_type, "intermediate")
    request = Request(f"{name} Issuing {key_type}", key.public_key(), organization="Lab")
    certificate = sign(request, INTERMEDIATE, root, new_serial(), validity(PAST, YEAR * 5, root))
    return Issuer(certificate, key, (root.certificate,))


def leaf(
    issuer: Issuer,
    profile: Profile,
    host: str,
    *,
    key_type: str = "p256",
    life: Validity | None = None,
    addresses: tuple[str, ...] = (),
    dns_names: tuple[str, ...] = (),
) -> Certificate:
    key = key_of(key_type, "leaf")
    found = tuple(ip_address(address) for address in addresses)
    request = Request(host, key.public_key(), dns_names, found)
    return sign(request, profile, issuer, new_serial(), life or validity(NOW, YEAR, issuer))


def _case(
    name: str, issuer: Issuer, profile: Profile, host: str, key_type: str = "p256", **more: object
) -> Case:
    purpose = more.pop("purpose", profile.purposes[0])
    asked, flaw = more.pop("asked", host), more.pop("flaw", "")
    made = leaf(issuer, profile, host, key_type=key_type, **more)  # type: ignore[arg-type]
    path = issuer.path
    return Case(name, key_type, made, path[:-1], path[-1], purpose, asked, flaw)  # type: ignore[arg-type]


def matrix(*, dns_only: bool = True) -> list[Case]:
    """Key types x profiles and their purposes x with and without an intermediate."""
    found = []
    for key_type in KEY_TYPES:
        ca_type = "rsa2048" if key_type == "rsa3072" else key_type
        for kind, issuer in _issuers(ca_type, dns_only=dns_only):
            for profile in HOST_PROFILES.values():
                for purpose in profile.purposes:
                    name = f"{key_type}-{kind}-{profile.name}-{purpose.value}"
                    host = f"{name}.{DOMAIN}"
                    found.append(_case(name, issuer, profile, host, key_type, purpose=purpose))
    return found


def _issuers(key_type: str, *, dns_only: bool) -> list[tuple[str, Issuer]]:
    return [
        ("direct", root_of(key_type, dns_only=dns_only)),
        ("chained", intermediate_of(key_type, dns_only=dns_only)),
    ]


LONG_HOST = f"{'a' * 40}.{'b' * 40}.{DOMAIN}"


def oddities(*, dns_only: bool = True) -> list[Case]:
    """Names that are allowed though unusual; addresses are so where the authority was asked to."""
    relay = HOST_PROFILES["relay"]
    both = ("192.0.2.25", "2001:db8::25")
    with_addresses = {
        "direct": root_of("p256", dns_only=False, name="Addressed"),
        "chained": intermediate_of("p256", dns_only=False, name="Addressed"),
    }
    found = []
    for kind, issuer in _issuers("p256", dns_only=dns_only):
        for purpose in relay.purposes:
            end = f"{kind}-{purpose.value}"
            found += [
                _case(f"long-{end}", issuer, relay, f"{end}.{LONG_HOST}", purpose=purpose),
                _case(
                    f"address-{end}",
                    with_addresses[kind],
                    relay,
                    f"address-{end}.{DOMAIN}",
                    purpose=purpose,
                    addresses=both,
                ),
                _case(f"idn-{end}", issuer, relay, f"xn--bcher-kva.{end}.{DOMAIN}", purpose=purpose),
            ]
        wild: dict[str, Any] = {"asked": f"mx1.{kind}.{DOMAIN}", "dns_names": (f"*.{kind}.{DOMAIN}",)}
        found.append(_case(f"wildcard-{kind}", issuer, relay, f"wildcard-{kind}.{DOMAIN}", **wild))
    return found


def flawed(*, dns_only: bool = True) -> list[Case]:
    """What a verifier must refuse; without these the ones above would prove nothing."""
    server, client = HOST_PROFILES["server"], HOST_PROFILES["client"]
    root, chained = (issuer for _, issuer in _issuers("p256", dns_only=dns_only))
    free = Issuer(intermediate_of("p256", domains=(), dns_only=False).certificate, chained.key)
    past = validity(NOW - YEAR, timedelta(days=30), root)
    future = Validity(NOW + timedelta(days=2), NOW + timedelta(days=9))
    stranger = Issuer(_lookalike(), key_of("p256", "stranger"))
    unknown = leaf(stranger, server, f"unknown.{DOMAIN}")
    outside = leaf(free, server, "mx.example.net")
    addressed = leaf(free, server, f"addressed.{DOMAIN}", addresses=("192.0.2.25",))
    addressed6 = leaf(free, server, f"addressed6.{DOMAIN}", addresses=("2001:db8::25",))
    up = (chained.certificate,)
    return [
        _case("bad-host", root, server, f"bad-host.{DOMAIN}", asked=f"other.{DOMAIN}", flaw="host"),
        _case("bad-role-c", root, server, f"role-c.{DOMAIN}", purpose=Purpose.CLIENT, flaw="purpose"),
        _case("bad-role-s", chained, client, f"role-s.{DOMAIN}", purpose=Purpose.SERVER, flaw="purpose"),
        _case("expired", root, server, f"expired.{DOMAIN}", life=past, flaw="time"),
        _case("early", root, server, f"early.{DOMAIN}", life=future, flaw="time"),
        Case("bad-ca", "p256", unknown, (), root.certificate, Purpose.SERVER, f"unknown.{DOMAIN}", "ca"),
        Case(
            "outside", "p256", outside, up, root.certificate, Purpose.SERVER, "mx.example.net", "constraints"
        ),
        *(
            Case(name, "p256", made, up, root.certificate, Purpose.SERVER, f"{name}.{DOMAIN}", "constraints")
            for name, made in (("addressed", addressed), ("addressed6", addressed6))
            if dns_only
        ),
    ]


def _lookalike() -> Certificate:
    key = key_of("p256", "stranger")
    return make_root("Lab Root p256", "Lab", key, new_serial(), validity(PAST, YEAR * 10))


@cache
def all_cases(*, dns_only: bool = True) -> tuple[Case, ...]:
    """All of them, under an authority that certifies hosts alone, or addresses, too."""
    return (*matrix(dns_only=dns_only), *oddities(dns_only=dns_only), *flawed(dns_only=dns_only))
