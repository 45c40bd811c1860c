"""TLSA records as one name server gives them now."""

from importlib import import_module
from ipaddress import ip_address
from typing import Any

from .errors import UnavailableError, UsageError
from .lazy import dataclass, pattern

PORT = 53
PATIENCE = 5.0
"""Seconds to wait for an answer, retries included."""

_BRACKETED = pattern(r"\[([0-9a-fA-F:.]+)\](?::([0-9]{1,5}))?")
_WITH_PORT = pattern(r"([0-9.]+):([0-9]{1,5})")


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        records: usage, selector, matching type and data of each record; empty where there are none.
        is_trusted: the server is the zone's own (AA), or checked the signatures (AD; RFC 4035 section 3.2.3).
    """

    records: frozenset[tuple[int, int, int, bytes]]
    is_trusted: bool


@dataclass(frozen=True)
class Resolver:
    """A name server by its address."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"

    def tlsa(self, name: str) -> Answer:
        """Ask for the TLSA records of a name, with a final dot."""
        dns = _library()
        query = dns.message.make_query(name, "TLSA", want_dnssec=True)
        query.flags |= dns.flags.AD
        try:
            said, _ = dns.query.udp_with_fallback(query, self.address, PATIENCE, self.port)
        except (OSError, dns.exception.DNSException) as error:
            raise UnavailableError(str(self), f"did not answer: {_reason(error)}") from None
        code = said.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise UnavailableError(
                str(self), f"answered the question for {name} TLSA with {dns.rcode.to_text(code)}"
            )
        found = (item for rows in said.answer if rows.rdtype == dns.rdatatype.TLSA for item in rows)
        records = frozenset((item.usage, item.selector, item.mtype, item.cert) for item in found)
        return Answer(records, bool(said.flags & (dns.flags.AA | dns.flags.AD)))


def parse_resolver(text: str) -> Resolver:
    """Read ``ADDRESS``, ``ADDRESS:PORT`` or ``[IPv6]:PORT``."""
    found = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
    address, port = (found[1], found[2] or PORT) if found else (text, PORT)
    try:
        return Resolver(str(ip_address(address)), _port(port))
    except ValueError:
        hint = "--resolver 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353"
        raise UsageError(
            text, "is not an IP address of a name server, with or without a port", hint
        ) from None


def _port(value: str | int) -> int:
    if not 0 < int(value) < 65536:
        raise ValueError(value)
    return int(value)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _library() -> Any:
    """Return the package with the modules that are used here; they are not imported by it."""
    try:
        for module in ("exception", "flags", "message", "query", "rcode", "rdatatype"):
            import_module(f"dns.{module}")
    except ImportError as error:
        reason = f"needs dnspython, which can't be imported ({_reason(error)})"
        from .extras import how_to_install

        raise UnavailableError("--resolver", reason, how_to_install("dnspython")) from None
    return import_module("dns")
