"""An authority in memory, for tests and for programs that keep their keys elsewhere; no file is touched."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Self

from .errors import DataError
from .names import parse_host
from .pki.crl import build_crl, to_pem
from .pki.encoding import encode_certificates
from .pki.issue import make_root, new_serial, sign
from .pki.keys import PrivateKey, RemoteKey, encode_key, generate, parse_key_type
from .pki.names import Address, default_ca_name
from .pki.profiles import parse_profile
from .pki.revocation import Reason, Revoked
from .pki.values import Certificate, Issuer, Request, validity
from .secret import Secret


def _now() -> datetime:
    return datetime.now(UTC)


class Pair:
    """A private key and its certificate.

    >>> pair = CA.create("example.org").issue("mx.example.org")
    >>> pair.names
    ('mx.example.org',)
    """

    def __init__(self, certificate: Certificate, key: PrivateKey, names: tuple[str, ...]) -> None:
        self._certificate, self._key = certificate, key
        self.names = names
        """Host names in A-labels, then IP addresses, as text; the first is the host."""

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return encode_certificates([self._certificate])

    @property
    def key_pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 in PEM: a secret."""
        return encode_key(self._key)

    @property
    def serial_number(self) -> int:
        """The serial number, 1 to 159 bits."""
        return self._certificate.serial_number

    @property
    def not_before(self) -> datetime:
        """The first second of its validity, aware, in UTC."""
        return self._certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """The last second of its validity, aware, in UTC."""
        return self._certificate.not_valid_after_utc


class CA:
    """A certificate authority in memory.

    >>> ca = CA.create("example.org")
    >>> ca.issue("attic.example.org", profile="client").names
    ('attic.example.org',)

    Its certificates pass the same lint as those of the command line. It keeps no record of what it signed.
    """

    def __init__(self, issuer: Issuer, clock: Callable[[], datetime] = _now) -> None:
        self._issuer, self._clock = issuer, clock

    @classmethod
    def create(
        cls,
        domain: str,
        *,
        name: str | None = None,
        key_type: str = "p256",
        days: int = 3650,
        addresses: bool = False,
        clock: Callable[[], datetime] = _now,
    ) -> Self:
        """Return a new authority that may certify hosts of one domain only.

        Args:
            domain: what it is permitted to certify (RFC 5280 section 4.2.1.10).
            name: common name; default: the domain and "Mail CA".
            key_type: p256, p384, rsa2048, rsa3072, rsa4096 or ed25519.
            days: lifetime.
            addresses: it may certify IP addresses, too.
            clock: gives the present, aware.

        Raises:
            NameRefusedError, UsageError: a bad domain, name or key type, or an impossible lifetime.
        """
        permitted = parse_host(domain)
        key = generate(parse_key_type(key_type))
        span = validity(clock(), timedelta(days=days))
        certificate = make_root(
            name or default_ca_name(permitted),
            "",
            key,
            new_serial(),
            span,
            permitted_domains=(permitted,),
            dns_only=not addresses,
        )
        return cls(Issuer(certificate, key), clock)

    @property
    def certificate_pem(self) -> bytes:
        """The certificate of the authority as PEM."""
        return encode_certificates([self._issuer.certificate])

    def key_pem(self, passphrase: Secret | None = None) -> bytes:
        """Return the authority's private key as PKCS #8 in PEM, encrypted if there is a passphrase."""
        key = self._issuer.key
        if isinstance(key, RemoteKey):
            raise DataError(key.uri, "never leaves its token")
        return encode_key(key, passphrase)

    def issue(
        self,
        host: str,
        *names: str,
        profile: str = "relay",
        key_type: str = "p256",
        days: int = 365,
    ) -> Pair:
        """Return a new key with its certificate.

        Args:
            host: full name.
            names: more host names, also ``*.example.org``, and IP addresses.
            profile: ``relay`` (both TLS roles), ``server`` or ``client``.
            key_type: as in :meth:`create`.
            days: lifetime; the end of the authority may shorten it.

        Raises:
            NameRefusedError: a bad name, or one that the authority may not certify.
            UsageError: an unknown profile or key type, or an impossible lifetime.
        """
        own, hosts, addresses = parse_host(host), *_parted(names)
        key = generate(parse_key_type(key_type))
        span = validity(self._clock(), timedelta(days=days), self._issuer)
        request = Request(own, key.public_key(), hosts, addresses)
        certificate = sign(request, parse_profile(profile), self._issuer, new_serial(), span)
        return Pair(certificate, key, tuple(dict.fromkeys((own, *hosts, *map(str, addresses)))))

    def crl_pem(self, revoked: Iterable[Pair] = (), *, number: int = 1, days: int = 30) -> bytes:
        """Return a CRL that lists these pairs, as PEM.

        Args:
            revoked: of this authority.
            number: greater than that of every list before (RFC 5280 section 5.2.3).
            days: lifetime.
        """
        now = self._clock()
        rows = [Revoked(pair.serial_number, now, Reason.UNSPECIFIED) for pair in revoked]
        issuer = self._issuer
        return to_pem(build_crl(issuer.certificate, issuer.key, number, rows, now, timedelta(days=days)))


def _parted(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    hosts: list[str] = []
    addresses: list[Address] = []
    for name in names:
        try:
            addresses.append(ip_address(name))
        except ValueError:
            hosts.append(parse_host(name, wildcard=True))
    return tuple(hosts), tuple(addresses)
