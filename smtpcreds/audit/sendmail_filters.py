"""MTA: mail filters that refuse everybody's mail while they don't run.

Source: op.me of sendmail 8.17 (section 5.11, InputMailFilters, DaemonPortOptions); what each flag does was
seen with 8.17.1.
"""

import re
from collections.abc import Iterator

from ..lazy import dataclass, pattern
from ..model import Finding, decimal
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host
from .sendmail_switches import daemons, rebuilt

FILTER = pattern(r"(?m)^X(\w+)\s*,\s*(.*)$")
_LISTENING = pattern(r"(?m)^\S+: \S+ \S+ 00010000 \S+ \S+ +\d+ (/\S+)$")
_OF_TCP = pattern(r"(?m)^ *\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A ")
_HERE = frozenset({"localhost", "127.0.0.1", "::1", "[127.0.0.1]", "[::1]", ""})
_EFFECTS = {"R": "refused", "T": "put off", "4": "put off, and the connection closed"}
"""What becomes of mail while the filter does not answer; without a flag it goes on unfiltered."""


@dataclass(frozen=True)
class _Filter:
    """One line ``X`` of sendmail.cf: its name, where it listens, and its flag."""

    name: str
    socket: str
    flag: str


def _parse(name: str, equates: str) -> _Filter:
    pairs = (part.partition("=") for part in equates.split(","))
    found = {key.strip()[:1].upper(): value.strip() for key, _, value in pairs}
    return _Filter(name, found.get("S", ""), found.get("F", "")[:1])


MTA034 = Code.error(
    "MTA034",
    "a mail filter that is asked for every message and does not run, so that all mail is refused or put off "
    "(INPUT_MAIL_FILTER with F=R, F=T or F=4)",
)


def filters(host: Host) -> Iterator[Finding]:
    """Every filter without which mail is refused is there."""
    text = host.text(SENDMAIL_CF) or ""
    if not (host.relays_by_sendmail or host.logs_in_by_sendmail):
        return
    asked = _asked(host)
    for name, equates in FILTER.findall(text):
        found = _parse(name, equates)
        if name in asked and found.flag in _EFFECTS and _is_dead(host, found.socket):
            reason = (
                f"asks the filter {name} at {found.socket}, where none listens, so all mail is "
                f"{_EFFECTS[found.flag]}"
            )
            cure = (
                f"start {name}; or take F={found.flag} out of its INPUT_MAIL_FILTER in "
                f"{host.path(SENDMAIL_MC)}, then: {rebuilt(host)}"
            )
            yield MTA034.found(host.path(SENDMAIL_CF), reason, cure)


def _asked(host: Host) -> set[str]:
    """Return the filters that some port asks; its own list goes before that of all."""
    of_all = host.sendmail.option("InputMailFilters") if host.sendmail else ""
    lists = [daemon.filters or of_all for daemon in daemons(host)] or [of_all]
    return {name for names in lists for name in re.split(r"[\s,;]+", names)}


def _is_dead(host: Host, address: str) -> bool:
    """Tell whether surely nobody listens; what is on another host, or of another root, is not asked."""
    kind, _, rest = address.partition(":")
    if kind.lower() in {"local", "unix"}:
        there = host.content(host.path("/proc/net/unix")) if host.top == "/" else None
        is_there = bool(host.globbed(rest))
        return not is_there or (
            there is not None and rest not in _LISTENING.findall(there.decode(errors="replace"))
        )
    port, _, where = rest.partition("@")
    number = decimal(port)
    if kind.lower() not in {"inet", "inet6"} or where.lower() not in _HERE or number is None:
        return False
    tables = [host.content(path) for path in ("/proc/net/tcp", "/proc/net/tcp6")] if host.top == "/" else []
    known = [table.decode(errors="replace") for table in tables if table is not None]
    return bool(known) and not any(f"{number:04X}" in _OF_TCP.findall(table) for table in known)
