"""What a channel binding takes from a certificate (RFC 5929 section 4.1)."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, HashAlgorithm

from .pem import encode_der
from .values import Certificate

SERVER_END_POINT = "tls-server-end-point"


def server_end_point(certificate: Certificate) -> bytes | None:
    """Return the octets of tls-server-end-point; None where it is not defined, as for Ed25519 signatures."""
    found: HashAlgorithm | None = certificate.signature_hash_algorithm
    if found is None:
        return None
    digest = hashes.Hash(SHA256() if isinstance(found, MD5 | SHA1) else found)
    digest.update(encode_der(certificate))
    return digest.finalize()
