"""Chains: putting certificates in order, checking that one closes, and hash links."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, HashAlgorithm

from ..errors import DataError
from ..lazy import dataclass, pattern
from . import fields
from .describe import authority_of
from .encoding import encode_der
from .names import Address, constraints_of, names_of, refusal, title
from .pair_rules import date_fault, handshake_fault, key_usage, name_fault, purpose_fault, strength_fault
from .profiles import Purpose
from .values import Certificate

# What must hold for a path of certificates whose names and signatures fit already (RFC 5280 section 6.1).

_UNDERSTOOD = {
    kind.oid
    for kind in (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.NameConstraints,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
    )
}


@dataclass(frozen=True)
class Path:
    """Certificates from the host's to the root, and what is wanted of the first one.

    Attributes:
        above_only: what lies above the first certificate is asked alone: whether that is valid now and is for
            its roles are other questions, with answers of their own.
    """

    certificates: tuple[x509.Certificate, ...]
    moment: datetime
    purposes: tuple[Purpose, ...] = ()
    host: str | Address | None = None
    above_only: bool = False

    @property
    def leaf(self) -> x509.Certificate:
        """The first certificate."""
        return self.certificates[0]

    def is_asked(self, depth: int) -> bool:
        """Tell whether the dates and purposes of a certificate matter here."""
        return bool(depth) or not self.above_only

    def fault(self) -> str | None:
        """Return the first fault that the first rule finds which finds any, with the name of the CA."""
        is_sound_above = _are_sound(self.certificates[1:], self.moment, self.purposes)
        return next(self.faults(range(1 if is_sound_above else len(self.certificates))), None)

    def faults(self, depths: range) -> Iterator[str]:
        """Yield the faults of the certificates in these places."""
        for rule in PATH_RULES:
            for depth in depths:
                if found := rule(self, depth):
                    yield (f"its CA {title(self.certificates[depth])} " if depth else "") + found


@lru_cache(maxsize=64)
def _are_sound(
    authorities: tuple[x509.Certificate, ...], moment: datetime, purposes: tuple[Purpose, ...]
) -> bool:
    """Tell whether no rule finds a fault of these CAs, of which it says the same above every leaf."""
    path = Path((*authorities[:1], *authorities), moment, purposes)  # with any leaf
    return next(path.faults(range(1, len(path.certificates))), None) is None


Rule = Callable[[Path, int], str | None]
"""Gets a path and the place of a certificate in it, 0 for the leaf; returns the fault of this certificate."""


def in_time(path: Path, depth: int) -> str | None:
    """Every certificate is valid now."""
    return date_fault(path.certificates[depth], path.moment) if path.is_asked(depth) else None


def strong(path: Path, depth: int) -> str | None:
    """Keys that OpenSSL's security level 2 takes; weak hashes did not even verify."""
    return strength_fault(path.certificates[depth])


def authorities_may_sign(path: Path, depth: int) -> str | None:
    """Section 6.1.4 (k) and (n): basicConstraints and keyUsage of every issuer."""
    if not depth:
        return None
    if not authority_of(path.certificates[depth])[0]:
        return "is not a CA certificate"
    usage = key_usage(path.certificates[depth])
    may_sign = usage is None or usage.key_cert_sign
    return None if may_sign else "may not sign certificates (keyUsage)"


def short_enough(path: Path, depth: int) -> str | None:
    """Section 6.1.4 (l) and (m): self-issued certificates don't count."""
    limit = authority_of(path.certificates[depth])[1] if depth else None
    if limit is None:
        return None
    between = path.certificates[1:depth]
    below = sum(certificate.subject != certificate.issuer for certificate in between)
    return f"allows only {limit} CA certificates below it" if below > limit else None


def names_permitted(path: Path, depth: int) -> str | None:
    """Section 6.1.3 (b) and (c), for the name forms that mail programs use."""
    certificate = path.certificates[depth]
    if depth and certificate.subject == certificate.issuer:
        return None
    found = map(constraints_of, path.certificates[depth + 1 :])
    return refusal(filter(None, found), names_of(certificate))


def nothing_unknown(path: Path, depth: int) -> str | None:
    """Section 4.2: a critical extension that is not understood forbids use."""
    for extension in path.certificates[depth].extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            return f"has the unknown critical extension {extension.oid.dotted_string}"
    return None


def fit_for_purpose(path: Path, depth: int) -> str | None:
    """Every certificate that names purposes names those wanted; OpenSSL and GnuTLS ask it of CAs too."""
    return purpose_fault(path.certificates[depth], path.purposes) if path.is_asked(depth) else None


def signs_handshakes(path: Path, depth: int) -> str | None:
    """The leaf's keyUsage allows signatures, which a CA's own does not."""
    return None if depth or path.above_only else handshake_fault(path.leaf, path.purposes)


def host_fits(path: Path, depth: int) -> str | None:
    """RFC 9525: the name or address wanted is among the alternative names; the CN does not count."""
    return None if depth or path.host is None else name_fault(path.leaf, (path.host,))


PATH_RULES: tuple[Rule, ...] = (
    in_time,
    strong,
    authorities_may_sign,
    short_enough,
    names_permitted,
    nothing_unknown,
    fit_for_purpose,
    signs_handshakes,
    host_fits,
)


# Chains: putting certificates in order, and checking that one closes.
#
# Done here rather than by the library's verifier, because that one refuses Ed25519 and says only "no", while
# an administrator needs the reason. The result was compared with the real verifiers.

MAX_DEPTH = 10
WEAK_HASHES = (hashes.SHA1, hashes.MD5)

Certificates = tuple[x509.Certificate, ...]


class ChainError(DataError):
    """A certificate that can't be trusted for what it is wanted for."""


_MOST_PROOFS = 1 << 16
_proofs: dict[tuple[x509.Certificate, x509.Certificate], bool] = {}


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer's name and key signed the certificate, with a hash that is safe."""
    proof = _proofs.get((certificate, issuer))
    if proof is None:
        proof = _verifies(certificate, issuer)
        remember(certificate, issuer, proof=proof)
    return proof


def remember(certificate: x509.Certificate, issuer: x509.Certificate, *, proof: bool) -> None:
    """Take what :func:`is_issued_by` found, perhaps in another process."""
    if len(_proofs) >= _MOST_PROOFS:
        _proofs.clear()
    _proofs[certificate, issuer] = proof


def _verifies(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell the same without keeping either: an inventory may hold a million."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def has_signature_of(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer's key signed the certificate, whatever the hash: for records, not for trust."""
    algorithm = certificate.signature_hash_algorithm
    if not isinstance(algorithm, WEAK_HASHES):
        return _verifies(certificate, issuer)
    key, scheme = issuer.public_key(), certificate.signature_algorithm_parameters
    signed = (certificate.signature, certificate.tbs_certificate_bytes)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(*signed, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and not isinstance(scheme, None | ec.ECDSA):
            key.verify(*signed, scheme, algorithm)
        else:
            return False
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is its own issuer, as roots are.

    An old root signed by a hash that nobody verifies any more is one too: nothing depends on that signature.
    """
    if certificate.subject != certificate.issuer:
        return False
    return is_issued_by(certificate, certificate) or isinstance(
        certificate.signature_hash_algorithm, WEAK_HASHES
    )


def order(certificates: Iterable[x509.Certificate]) -> Certificates:
    """Return a bag of certificates as one chain, host or lowest CA first; repeated ones once."""
    left = list(dict.fromkeys(certificates))
    parents = {child: _parent(child, left) for child in left}
    lowest = [candidate for candidate in left if candidate not in parents.values()]
    if len(lowest) != 1:
        found = ", ".join(map(title, lowest or left)) or "nothing"
        raise ChainError("chain", f"is not one chain but has several ends ({found})")
    chain = [lowest[0]]
    while above := parents[chain[-1]]:
        chain.append(above)
    return tuple(chain)


class Known:
    """CA certificates at hand, each once, in their order; who signed is looked up by its name.

    A host trusts a hundred and forty of the Internet's, and may hold thousands that ask for their issuers.
    """

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        """Take the certificates."""
        self._all = dict.fromkeys(certificates)
        self._by_subject: dict[bytes, list[x509.Certificate]] = {}
        for certificate in self._all:
            self._by_subject.setdefault(certificate.subject.public_bytes(), []).append(certificate)

    @classmethod
    def of(cls, certificates: "Known | Iterable[x509.Certificate]") -> "Known":
        """Return what is prepared already, or prepare it."""
        return certificates if isinstance(certificates, Known) else cls(certificates)

    def __iter__(self) -> Iterator[x509.Certificate]:
        """Yield all of them."""
        return iter(self._all)

    def issuers_of(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Return those whose name and key signed the certificate."""
        return [ca for ca in self.namesakes(certificate) if is_issued_by(certificate, ca)]

    def namesakes(self, certificate: x509.Certificate) -> Sequence[x509.Certificate]:
        """Return those that have the name of the certificate's issuer."""
        return self._by_subject.get(certificate.issuer.public_bytes(), ())

    def is_anchor(self, certificate: x509.Certificate) -> bool:
        """Tell whether it is one of these, and a root."""
        return certificate in self._all and is_self_signed(certificate)


def climb(leaf: x509.Certificate, known: Known | Iterable[x509.Certificate]) -> Certificates:
    """Return the certificate and those above it, as far up as they are known, going by signatures alone."""
    path, at_hand = [leaf], Known.of(known)
    while parent := next((ca for ca in at_hand.issuers_of(path[-1]) if ca not in path), None):
        path.append(parent)
    return tuple(path)


def verify_chain(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    roots: Known | Iterable[x509.Certificate],
    now: datetime,
    purposes: Iterable[Purpose] = (),
    host: str | Address | None = None,
    *,
    above_only: bool = False,
) -> Certificates:
    """Return the path from the certificate to a root, if a mail program would accept it.

    Args:
        leaf: of the host; a CA certificate may be checked too.
        intermediates: CA certificates between; those not needed are ignored.
        roots: trusted, self-signed certificates; others among them count as intermediates, as OpenSSL does.
        now: aware.
        purposes: roles that it must allow, all of them.
        host: A-label name or address that it must hold in its alternative names (RFC 9525), or None.
        above_only: the leaf's own dates and roles are other questions; ``purposes`` are asked of its CAs.

    Raises:
        ChainError: the plain reason why no path holds.
    """
    roots, between = Known.of(roots), Known(intermediates)
    first_fault: str | None = None
    for certificates in _paths((leaf,), between, roots):
        fault = Path(certificates, now, tuple(purposes), host, above_only).fault()
        if fault is None:
            return certificates
        first_fault = first_fault or fault
    raise ChainError(title(leaf), first_fault or _dead_end(leaf, Known((*between, *roots))))


def way_up(path: Certificates) -> str:
    """Return the names of the CAs of a path in words, nearest first."""
    return " < ".join(map(title, path[1:])) or "trusted itself"


def _paths(path: Certificates, between: Known, roots: Known) -> Iterator[Certificates]:
    """Yield every path upward that ends in a trusted root; at each step, roots are tried first."""
    child = path[-1]
    if roots.is_anchor(child):
        yield path
        return
    if len(path) > MAX_DEPTH:
        return
    above = dict.fromkeys((*between.issuers_of(child), *roots.issuers_of(child)))
    for candidate in sorted(above, key=roots.is_anchor, reverse=True):
        if candidate not in path:
            yield from _paths((*path, candidate), between, roots)


def _parent(child: x509.Certificate, known: list[x509.Certificate]) -> x509.Certificate | None:
    return next((other for other in known if other != child and is_issued_by(child, other)), None)


def _dead_end(leaf: x509.Certificate, known: Known) -> str:
    """Say where the way up ends when no path reaches an anchor."""
    child = climb(leaf, known)[-1]
    issuer = child.issuer.rfc4514_string()
    of = "" if child == leaf else f" of {title(child)}"
    if is_self_signed(child):
        return f"ends in {issuer}, which is not trusted" if of else "is self-signed and not trusted"
    namesakes = [c for c in known if c != child and c.subject == child.issuer]
    if any(is_issued_by(child, c) for c in namesakes):
        return "its CAs sign each other; no root is among them"
    if namesakes and isinstance(child.signature_hash_algorithm, WEAK_HASHES):
        return f"the signature{of} uses a hash that is no longer safe"
    if namesakes:
        return f"the signature{of} is not by the key of {issuer} that is known here"
    return f"the certificate of the issuer{of} ({issuer}) was not found"


# What a channel binding takes from a certificate (RFC 5929 section 4.1).

SERVER_END_POINT = "tls-server-end-point"


def server_end_point(certificate: Certificate) -> bytes | None:
    """Return the octets of tls-server-end-point; None where it is not defined, as for Ed25519 signatures."""
    found: HashAlgorithm | None = certificate.signature_hash_algorithm
    if found is None:
        return None
    digest = hashes.Hash(SHA256() if isinstance(found, MD5 | SHA1) else found)
    digest.update(encode_der(certificate))
    return digest.finalize()


# Names of the links by which OpenSSL finds certificates and CRLs in a directory (``openssl rehash``).
#
# Sendmail's ``confCACERT_PATH`` and ``confCRL_PATH`` and Postfix's ``smtpd_tls_CApath`` are searched for
# ``HASH.N`` (certificates, by subject) and ``HASH.rN`` (CRLs, by issuer); no other file is seen there.

_LINK = pattern(r"[0-9a-f]{8}\.r?[0-9]+")


def subject_hash(certificate: "x509.Certificate") -> str:
    """Return the eight hexadecimal digits of ``openssl x509 -subject_hash``."""
    return _name_hash(fields.subject(certificate))


def issuer_hash(crl: "x509.CertificateRevocationList") -> str:
    """Return the eight hexadecimal digits of ``openssl crl -hash``."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return _name_hash(fields.crl_issuer(crl.public_bytes(Encoding.DER)))


def is_link_name(name: str) -> bool:
    """Tell whether a file name has the form of a hash link."""
    return _LINK.fullmatch(name) is not None


def links(
    certificates: Mapping[str, "x509.Certificate"],
    crls: Mapping[str, "x509.CertificateRevocationList"],
) -> dict[str, str]:
    """Return link name to file name, as ``openssl rehash`` makes them in a directory without links.

    Files are taken in the order of their names; of equal objects only the first gets a link; objects whose
    names have the same hash are numbered from 0.

    Args:
        certificates: file name to the one certificate that the file holds (OpenSSL skips files with more).
        crls: file name to the one CRL that the file holds.
    """
    from cryptography.hazmat.primitives import hashes

    sha = hashes.SHA256()
    found = {n: (f"{subject_hash(c)}.", c.fingerprint(sha)) for n, c in certificates.items()}
    lists = {n: (f"{issuer_hash(c)}.r", c.fingerprint(sha)) for n, c in crls.items()}
    return dict(_numbered(found)) | dict(_numbered(lists))


def _numbered(files: dict[str, tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield link and file name; values of ``files`` are the link's stem and a fingerprint."""
    used: Counter[str] = Counter()
    seen: set[bytes] = set()
    for name, (stem, fingerprint) in sorted(files.items(), key=lambda item: _bytes(item[0])):
        if fingerprint not in seen:
            seen.add(fingerprint)
            yield f"{stem}{used[stem]}", name
            used[stem] += 1


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _name_hash(name: bytes) -> str:
    digest = hashlib.sha1(fields.canonical(name), usedforsecurity=False).digest()
    return digest[3::-1].hex()
