"""Where Sendmail's daemon listens: DAEMON_OPTIONS in sendmail.mc, DaemonPortOptions in sendmail.cf.

The sendmail.mc of Debian and of RHEL makes the daemon listen on 127.0.0.1 alone, where no client host
reaches it. Without any such line it listens on port 25 of every address (op.me, DaemonPortOptions).
"""

import re
from collections.abc import Iterable, Iterator

from ..lazy import dataclass, pattern
from ..model import decimal
from ..systems import System
from .program import EDITING, SUBMISSIONS, Premise

_OPTIONS = pattern(r"^DAEMON_OPTIONS\(`([^']*)'\)", re.MULTILINE)
_COMPILED = pattern(r"^O\s+DaemonPortOptions\s*=\s*(.*)$", re.MULTILINE)
_CLIENT = pattern(r"^O\s+ClientPortOptions\s*=\s*(.*)$", re.MULTILINE)
_PORTS = {"smtp": 25, "mail": 25, "submission": 587, "smtps": 465, "submissions": 465, "ssmtp": 465}
_LOOPBACK = pattern(
    r"127(?:\.\d{1,3}){1,3}|(?:ipv6:)?::1|localhost(?:\.localdomain)?|loopback", re.IGNORECASE
)
_ADDRESS = pattern(r",\s*A(?:ddr)?\s*=[^,']*|\bA(?:ddr)?\s*=[^,']*,\s*", re.IGNORECASE)


def is_closed(lines: Iterable[str], port: int) -> bool:
    """Tell whether the daemon listens on a port for this host alone.

    Args:
        lines: the values of DAEMON_OPTIONS; where there are none, port 25 is open.
        port: that other hosts are to reach.
    """
    wanted = [line for line in lines if _port(line) == port]
    return bool(wanted) and all(_is_local(line) for line in wanted)


def in_source(text: str) -> list[str]:
    """Return the values in a sendmail.mc; what it includes is not followed."""
    return _OPTIONS.findall(text)


def in_result(text: str) -> list[str]:
    """Return the values in a sendmail.cf."""
    return _COMPILED.findall(text)


def of_client(text: str) -> list[str]:
    """Return the values of CLIENT_OPTIONS in a sendmail.cf."""
    return _CLIENT.findall(text)


@dataclass(frozen=True)
class Daemon:
    """One port that the daemon listens on.

    Attributes:
        line: as it is configured.
        port: its number.
        is_local: whether it is for this host alone.
        modifiers: the letters of ``M=``; case matters.
        filters: its own mail filters, between semicolons; empty where it asks those of all ports.
        children: how many connections it takes at a time; empty where that is the same for all ports.
        mode: of delivery; empty where it is that of all ports.
    """

    line: str
    port: int
    is_local: bool
    modifiers: str
    filters: str = ""
    children: str = ""
    mode: str = ""


def parse(line: str) -> Daemon:
    """Read one value of DaemonPortOptions or ClientPortOptions."""
    said = _settings(line)
    own = (said.get(key, "") for key in ("m", "i", "c", "d"))
    return Daemon(line, _port(line), _is_local(line), *own)


def without(line: str, letter: str) -> str:
    """Return a line without one modifier."""

    def fewer(found: re.Match[str]) -> str:
        kept = found[3].replace(letter, "")
        return f"{found[1]}{found[2]}{kept}" if kept else ""

    return re.sub(r"((?:,\s*)?)(\bM\w*\s*=\s*)(\w+)", fewer, line, count=1)


def reachable(source: str, port: int) -> Premise:
    """Return the premise that sendmail.mc lets the daemon listen on a port for other hosts."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        if is_closed(in_source(text), port):
            lines = [line for line in in_source(text) if _port(line) == port]
            shown = "; ".join(f"DAEMON_OPTIONS(`{line}')dnl" for line in lines)
            hint = f"take {_address(lines[0])} out of the line {shown}, or {EDITING}"
            yield (
                f"makes Sendmail listen on port {port} of this host alone, so no client host reaches it",
                hint,
            )
        elif _is_absent(text, port):
            more = ", M=s" if port == SUBMISSIONS else ""
            hint = f"add the line DAEMON_OPTIONS(`Port={port}, Name=MTA-{port}{more}')dnl"
            yield f"makes Sendmail listen on other ports than {port}, so no client host reaches it", hint

    return Premise(source, faults, lambda text: opened(text, port), has_code=True)


def _is_absent(text: str, port: int) -> bool:
    """Tell whether lines of its own leave a port out; without any, and as MSA, there are defaults."""
    ports = {_port(line) for line in in_source(text)}
    defaults = set() if "no_default_msa" in text else {587}
    return bool(ports) and port not in ports | defaults


_RC_CONF = pattern(r"^sendmail_enable=[\"']?(\w+)", re.MULTILINE)


def enabled(system: System) -> Premise:
    """Return the premise that the system starts a daemon for other hosts, as FreeBSD does when told to."""

    def faults(text: str) -> Iterator[tuple[str, str]]:
        said = _RC_CONF.findall(text)
        if not said or said[-1].upper() != "YES":
            what = 'has no sendmail_enable="YES", so no daemon listens, and no client host reaches it'
            yield what, f"{system.sendmail_enable} && {system.to_restart('sendmail')}"

    return Premise(system.rc_conf, faults)


def opened(text: str, port: int) -> str:
    """Return a sendmail.mc whose daemon listens on a port of every address."""
    if not is_closed(in_source(text), port):
        return text

    def freed(found: re.Match[str]) -> str:
        is_meant = _port(found[1]) == port and _is_local(found[1])
        return _ADDRESS.sub("", found[0], count=1) if is_meant else found[0]

    return _OPTIONS.sub(freed, text)


def _settings(line: str) -> dict[str, str]:
    """Return the first letter of each name, which is all that Sendmail looks at, to its value."""
    pairs = (part.partition("=") for part in line.split(","))
    return {name.strip()[:1].lower(): value.strip() for name, _, value in pairs}


def _port(line: str) -> int:
    name = _settings(line).get("p", "smtp").lower()
    return decimal(name) or _PORTS.get(name, 0)


def _is_local(line: str) -> bool:
    return bool(_LOOPBACK.fullmatch(_settings(line).get("a", "")))


def _address(line: str) -> str:
    return next(part.strip() for part in line.split(",") if part.strip()[:1].lower() == "a")
