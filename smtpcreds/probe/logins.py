"""AUTH with each mechanism that the account should serve, each on a connection of its own."""

from ..secret import Secret
from ..smtp.sasl import EXTERNAL, MECHANISMS, PLUS, Login
from .asked import Asked, Identity
from .call import Line
from .look import Seen
from .step import Record

NOBODY = Identity(Login("", Secret(b"")))
"""Who logs in by a certificate."""
UNVERIFIED = "no password is sent to a server that is not verified; --insecure-send-password sends it"


def log_in(line: Line, record: Record, seen: Seen) -> list[str]:
    """Try the mechanisms, strongest first; return those that worked."""
    asked = line.asked
    if not asked.identity and not (asked.client and _by_certificate(asked, seen)):
        record.skip("auth", "no account given")
        return []
    if not (seen.is_verified or asked.insecure):
        record.skip("auth", UNVERIFIED)
        return []
    return [name for name in _wanted(asked, seen) if _try(line, record, name)]


def _wanted(asked: Asked, seen: Seen) -> list[str]:
    """Return the mechanisms asked for, else those that are offered and known."""
    known = [name for name in MECHANISMS if name in (asked.mechanisms or seen.mechanisms)]
    if asked.mechanisms:
        return known
    usable = [name for name in known if asked.identity or name == EXTERNAL]
    return [name for name in usable if asked.client or name != EXTERNAL]


def _by_certificate(asked: Asked, seen: Seen) -> bool:
    return EXTERNAL in seen.mechanisms or EXTERNAL in asked.mechanisms


def _try(line: Line, record: Record, mechanism: str) -> bool:
    asked = line.asked
    served = asked.identity.served if asked.identity else None
    plain_name = mechanism.removesuffix(PLUS)
    if served is not None and mechanism != EXTERNAL and plain_name not in served:
        record.skip(f"auth {mechanism}", "the account has no secret for it")
        return False
    return record.run(f"auth {mechanism}", lambda: attempt(line, mechanism, asked.identity or NOBODY))


def attempt(line: Line, mechanism: str, identity: Identity) -> str:
    """Log in on a new connection and return what the server says.

    Raises:
        SmtpcredsError: it says no, or is not who it should be.
    """
    if mechanism == EXTERNAL:
        identity = NOBODY
    with line.trusted() as call:
        call.through()
        return str(call.log_in(mechanism, identity))
