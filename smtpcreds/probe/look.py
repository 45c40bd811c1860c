"""The first connection: everything that shows without a secret."""

from dataclasses import dataclass
from functools import partial

from ..errors import DataError
from ..pki.describe import describe
from ..pki.tlsa_match import match
from .call import STAGES, Call, Line
from .step import Note, Record
from .target import Security
from .trust import CHECKS

CLEAR_TEXT = {"PLAIN", "LOGIN"}


class OfferError(DataError):
    """The mechanisms offered are not what they should be."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the first connection showed.

    Attributes:
        mechanisms: offered where one would log in.
        is_verified: the server is who it should be.
    """

    mechanisms: tuple[str, ...]
    is_verified: bool


def look(line: Line, record: Record) -> Seen | None:
    """Look at the server; None where the connection did not come about."""
    with line.open(line.asked.client) as call:
        for name, stage in STAGES[line.asked.target.security]:
            if not record.run(name, partial(stage, call)):
                return None
            if name == "tls":
                certificate_is_good = _certificate(line, call, record)
        _offers(line, call, record)
    if line.asked.target.security is Security.CLEAR:
        return Seen(call.after.mechanisms, is_verified=False)
    is_verified = record.run("openssl", partial(_openssl, line)) and certificate_is_good
    return Seen(call.after.mechanisms, is_verified)


def _certificate(line: Line, call: Call, record: Record) -> bool:
    """Check what the server presents; tell whether all of it holds."""
    record.run("certificate", partial(_described, call))
    trust = line.asked.trust
    held = [record.run(name, partial(check, trust, call.presented)) for name, check in CHECKS]
    if line.asked.tlsa:
        held.append(record.run("tlsa", partial(match, line.asked.tlsa, call.presented)))
    return all(held)


def _described(call: Call) -> str:
    found = describe(call.presented[0])
    sent = len(call.presented)
    more = f", sent with {sent - 1} more" if sent > 1 else ""
    return f"{found.title}, {found.key_type}, by {found.issuer}{more}; SHA-256 {found.fingerprint[:16]}..."


def _openssl(line: Line) -> str:
    """Have OpenSSL verify, as most mail servers do; of CRLs it is told nothing."""
    with line.by_openssl() as call:
        call.through()
    return f"verifies it for {line.asked.trust.name}"


def _offers(line: Line, call: Call, record: Record) -> None:
    if line.asked.target.security is Security.STARTTLS:
        record.run("mechanisms before TLS", partial(_before, call))
    record.run("mechanisms", partial(_after, line, call))


def _before(call: Call) -> str:
    offered = call.before.mechanisms
    if clear := sorted(CLEAR_TEXT & set(offered)):
        raise OfferError("AUTH", f"{' and '.join(clear)} before TLS")
    return " ".join(offered) or "none"


def _after(line: Line, call: Call) -> str:
    offered = call.after.mechanisms
    if "ANONYMOUS" in offered:
        raise OfferError("AUTH", f"ANONYMOUS among {' '.join(offered)}")
    if not offered and line.asked.identity:
        raise OfferError("AUTH", "none offered")
    return " ".join(offered) if offered else Note("none")
