"""Chains of certificates, of which another process proves the last ones while this one looks at the rest.

What holds is said, and what it was seen by; what does not is looked at once more by who has to say why.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from ..errors import SmtpcredsError
from ..jobs import Piece, from_the_end
from ..pki.chains import ChainError, is_issued_by, remember, verify_chain
from ..pki.values import Certificate
from .host import Host, InstalledCertificate

_taken: ContextVar[Callable[[int], Piece] | None] = ContextVar("taken", default=None)


@contextmanager
def proving(host: Host) -> Iterator[None]:
    """Have chains proved for the length of the block, if there are enough of them."""
    try:
        installed = host.certificates
    except (SmtpcredsError, OSError):  # a check says so
        installed = ()
    now = host.site.clock()
    with from_the_end(len(installed), lambda number: _proof(installed[number], now)) as take:
        token = _taken.set(take)
        try:
            yield
        finally:
            _taken.reset(token)


def chain_fault(installed: InstalledCertificate, now: datetime) -> str | None:
    """Return why its chain does not close, or None; its own dates and roles are other checks."""
    try:
        verify_chain(installed.leaf, installed.others, installed.known, now, installed.roles, above_only=True)
    except ChainError as error:
        return error.reason
    return None


def is_proved(number: int, installed: InstalledCertificate) -> bool:
    """Tell whether the chain of the certificate with this number is known to close."""
    take = _taken.get()
    proof = take(number) if take else None
    if not isinstance(proof, bytes):
        return False
    for ca, is_signed in zip(_namesakes(installed), proof[1:], strict=True):
        remember(installed.leaf, ca, proof=bool(is_signed))
    return bool(proof[0])


def _proof(installed: InstalledCertificate, now: datetime) -> bytes:
    """Return whether the chain closes, and whether it is signed by each that has its issuer's name."""
    is_closed = chain_fault(installed, now) is None
    return bytes((is_closed, *(is_issued_by(installed.leaf, ca) for ca in _namesakes(installed))))


def _namesakes(installed: InstalledCertificate) -> list[Certificate]:
    return list(installed.known.namesakes(installed.leaf))
