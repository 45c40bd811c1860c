"""Chains: putting certificates in order, and checking that one closes.

Done here rather than by the library's verifier, because that one refuses Ed25519 and says only "no", while an
administrator needs the reason. The result was compared with the real verifiers.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from ..errors import DataError
from .constraints import Address
from .dn import title
from .path_rules import PATH_RULES, Path
from .profiles import Purpose

MAX_DEPTH = 10
WEAK_HASHES = (hashes.SHA1, hashes.MD5)

Certificates = tuple[x509.Certificate, ...]


class ChainError(DataError):
    """A certificate that can't be trusted for what it is wanted for."""


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer's name and key signed the certificate, with a hash that is safe."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
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
    """Return a bag of certificates as one chain, host or lowest CA first; repeated ones once.

    Raises:
        ChainError: empty, or not all of one chain.
    """
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


def climb(leaf: x509.Certificate, known: Iterable[x509.Certificate]) -> Certificates:
    """Return the certificate and those above it, as far up as they are known, going by signatures alone."""
    path, at_hand = [leaf], tuple(known)
    while parent := next((ca for ca in at_hand if ca not in path and is_issued_by(path[-1], ca)), None):
        path.append(parent)
    return tuple(path)


def verify_chain(
    leaf: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    roots: Iterable[x509.Certificate],
    now: datetime,
    purposes: Iterable[Purpose] = (),
    host: str | Address | None = None,
    *,
    undated: bool = False,
) -> Certificates:
    """Return the path from the certificate to a root, if a mail program would accept it.

    Args:
        leaf: of the host; a CA certificate may be checked too.
        intermediates: CA certificates between; those not needed are ignored.
        roots: trusted, self-signed certificates; others among them count as intermediates, as OpenSSL does.
        now: aware.
        purposes: roles that it must allow, all of them.
        host: A-label name or address that it must hold in its alternative names (RFC 9525), or None.
        undated: the leaf's own dates are another question.

    Raises:
        ChainError: the plain reason why no path holds.
    """
    roots = tuple(roots)
    anchors = frozenset(root for root in roots if is_self_signed(root))
    between = tuple(dict.fromkeys((*intermediates, *(root for root in roots if root not in anchors))))
    first_fault: str | None = None
    for certificates in _paths((leaf,), (*anchors, *between), anchors):
        fault = _fault(Path(certificates, now, tuple(purposes), host, undated))
        if fault is None:
            return certificates
        first_fault = first_fault or fault
    raise ChainError(title(leaf), first_fault or _dead_end(leaf, (*between, *anchors)))


def _paths(
    path: Certificates, known: Certificates, anchors: frozenset[x509.Certificate]
) -> Iterator[Certificates]:
    """Yield every path upward that ends in an anchor."""
    if path[-1] in anchors:
        yield path
        return
    if len(path) > MAX_DEPTH:
        return
    for candidate in known:
        if candidate not in path and is_issued_by(path[-1], candidate):
            yield from _paths((*path, candidate), known, anchors)


def _fault(path: Path) -> str | None:
    return next(filter(None, (rule(path) for rule in PATH_RULES)), None)


def _parent(child: x509.Certificate, known: list[x509.Certificate]) -> x509.Certificate | None:
    return next((other for other in known if other != child and is_issued_by(child, other)), None)


def _dead_end(leaf: x509.Certificate, known: Certificates) -> str:
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
        return f"the signature{of} is not by the key of {issuer} that is at hand"
    return f"the certificate of the issuer{of} ({issuer}) was not found"
