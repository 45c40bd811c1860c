"""AUTH with each mechanism that the account should serve, each on a connection of its own."""

from functools import partial

from ..secret import Secret
from ..smtp.sasl import EXTERNAL, MECHANISMS, PLUS, Login
from .asked import Asked, Identity
from .call import Line
from .look import OfferError, Seen
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
    wanted = _wanted(asked, seen)
    usable = [name for name in wanted if _is_served(asked, name)]
    for name in wanted:
        if name not in usable:
            record.skip(f"auth {name}", "the account has no secret for it")
    if not usable:
        record.run("auth", partial(_nothing_in_common, seen))
    return [name for name in usable if record.run(f"auth {name}", partial(_attempt, line, name))]


def _wanted(asked: Asked, seen: Seen) -> list[str]:
    """Return the mechanisms asked for, else those that are offered and known."""
    known = [name for name in MECHANISMS if name in (asked.mechanisms or seen.mechanisms)]
    if asked.mechanisms:
        return known
    usable = [name for name in known if asked.identity or name == EXTERNAL]
    return [name for name in usable if asked.client or name != EXTERNAL]


def _by_certificate(asked: Asked, seen: Seen) -> bool:
    return EXTERNAL in seen.mechanisms or EXTERNAL in asked.mechanisms


def _is_served(asked: Asked, mechanism: str) -> bool:
    served = asked.identity.served if asked.identity else None
    return served is None or mechanism == EXTERNAL or mechanism.removesuffix(PLUS) in served


def _nothing_in_common(seen: Seen) -> str:
    raise OfferError(
        "AUTH", f"no mechanism in common; the server offers {' '.join(seen.mechanisms) or 'none'}"
    )


def _attempt(line: Line, mechanism: str) -> str:
    return attempt(line, mechanism, line.asked.identity or NOBODY)


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
