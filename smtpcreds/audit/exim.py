"""MTA: settings of Exim that switch off, weaken or contradict AUTH, STARTTLS, verification and relaying."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile

from ..lazy import pattern
from ..model import Finding
from ..mta import exim as mta_exim
from ..mta import exim_hosts
from ..mta import exim_rules as effect
from ..mta.exim_acls import VERIFIED, accepts
from ..mta.exim_conditions import SET, Known, constant, expanded
from ..mta.exim_rules import Configuration
from ..pki.keys import key_label
from ..shell import quote
from ..systems import DEBIAN, EXIM_PROGRAMS
from . import client_hosts
from .finding import Code
from .host import Host

_IN_CLEAR = frozenset({"25", "587", "smtp", "submission"})
_IMPLICIT = frozenset({"465", "submissions", "smtps"})
Options = Mapping[str, str]


MACROS = mta_exim.MACROS
_SPLIT = mta_exim.PARTS
_DRIVER = pattern(r"\s*driver\s*=\s*smtp\s*$")


def _made(host: Host) -> str:
    """Return how Exim comes to read a change."""
    is_made = bool(host.exim and host.exim[0] == mta_exim.GENERATED)
    return host.said(mta_exim.REMAKE if is_made else mta_exim.RELOAD)


def _sources(host: Host) -> tuple[str, ...]:
    """Return the files that the configuration is made of, those of the administrator's macros first."""
    path = host.exim[0] if host.exim else mta_exim.CONFIGURATION
    if path != mta_exim.GENERATED:
        return (path,)
    if "dc_use_split_config='true'" not in (host.text(mta_exim.ANSWERS) or ""):
        return MACROS, mta_exim.TEMPLATE
    parts = host.listing(host.path(_SPLIT))
    return tuple(
        f"{_SPLIT}/{part}/{name}" for part in parts for name in host.listing(host.path(f"{_SPLIT}/{part}"))
    )


def _line(host: Host, pattern: str, *, is_main: bool = False) -> tuple[str, int]:
    """Return the last line of the first file that has one, as path of this disk and number; 0 for none.

    Args:
        host: where.
        pattern: of its beginning.
        is_main: only lines above the first ``begin`` are looked at.
    """
    for path in _sources(host):
        if is_main and path.startswith(_SPLIT) and not path.startswith(f"{_SPLIT}/main/"):
            continue
        lines = (host.text(path) or "").splitlines()
        looked_at = takewhile(lambda line: not line.startswith("begin "), lines) if is_main else lines
        if found := [n for n, line in enumerate(looked_at, 1) if re.match(pattern, line)]:
            return host.path(path), found[-1]
    return host.path(_sources(host)[0]), 0


def _setting(name: str) -> str:
    """Return what a line begins with that gives an option a value; not that which gives it Debian's macro."""
    macro = name.upper()
    return rf"\s*(?:MAIN_)?(?:{name}|{macro})\s*(?:==?(?!\s*(?:MAIN_)?{macro}\b)|$)"


def removed(host: Host, name: str) -> str:
    """Return how an option, or the macro of Debian's that gives it, gets its default again."""
    path, number = _line(host, _setting(name), is_main=True)
    return f"sed -i {number}d {quote(path)} && {_made(host)}" if number else cure(host, f"take out {name}")


def below(host: Host, beginning: str, line: str) -> str:
    """Return how a line comes below another."""
    path, number = _line(host, beginning)
    return (
        f"sed -i {quote(f'{number}a {line}')} {quote(path)} && {_made(host)}" if number else cure(host, line)
    )


def _set(host: Host, name: str, value: str) -> str:
    """Return how a main option gets a value; an earlier line that gives it one goes."""
    is_made = bool(host.exim and host.exim[0] == mta_exim.GENERATED)
    path, number = _line(host, _setting(name), is_main=True)
    line = f"MAIN_{name.upper()} == {value}" if is_made else f"{name} = {value}"
    counts = bool(host.exim_rules and name in host.exim_rules.main)
    edit = f"{number}c {line}" if number and counts else f"1i {line}"
    return f"sed -i {quote(edit)} {quote(path)} && {_made(host)}"


def cure(host: Host, what: str) -> str:
    """Return a cure in words, where no command does."""
    path = host.exim[0] if host.exim else mta_exim.CONFIGURATION
    where = f"what {DEBIAN.exim_make} reads" if path == mta_exim.GENERATED else host.path(path)
    return f"{what} in {where}, then: {_made(host)}"


def servers(conf: Configuration) -> dict[str, Options]:
    """Return the authenticators by which clients log in."""
    return {
        name: options
        for name, options in conf.authenticators.items()
        if any(option.startswith("server_") for option in options)
    }


def shown_path(host: Host) -> str:
    """Return the path of Exim's configuration on this disk."""
    return host.path(host.exim[0]) if host.exim else ""


def _at_ehlo(host: Host, *, in_tls: bool) -> Known:
    """Return what variables say where a client host is to be offered something (11.9)."""
    login = {"authenticated_id": "", "interface_port": str(host.port), "received_port": str(host.port)}
    return login | dict.fromkeys(("tls_in_cipher", "tls_cipher", "tls_in_ver"), SET if in_tls else "")


MTA203 = Code.error("MTA203", "Exim has authenticators, and does not offer AUTH or STARTTLS to client hosts")


def offered(host: Host) -> Iterator[Finding]:
    """Clients are offered AUTH, and the STARTTLS that it waits for."""
    conf = host.exim_rules
    logins = servers(conf) if conf else {}
    if not conf or not logins:
        return
    known = client_hosts.addresses(host)
    for name, what in (("auth_advertise_hosts", "AUTH"), ("tls_advertise_hosts", "STARTTLS")):
        hosts = expanded(conf.main.get(name, "*"), _at_ehlo(host, in_tls=what == "AUTH"))
        if whom := exim_hosts.excluded(hosts, known, conf.host_lists):
            reason = f"says {name} = {conf.main[name]}, so {whom} is not offered {what}"
            yield MTA203.found(shown_path(host), reason, removed(host, name))
    never = [
        name
        for name, options in logins.items()
        if constant(options.get("server_advertise_condition", "yes"), _at_ehlo(host, in_tls=True)) is False
    ]
    if len(never) == len(logins):
        reason = f"has server_advertise_condition that never holds for {', '.join(never)}, so no AUTH"
        way = cure(host, "write server_advertise_condition = ${if def:tls_in_cipher}")
        yield MTA203.found(shown_path(host), reason, way)


MTA204 = Code.error(
    "MTA204",
    "Exim relays by certificate, and asks no client for one, or verifies them by another authority than ours",
)


def certificates(host: Host) -> Iterator[Finding]:
    """Who relays by certificate is asked for one."""
    conf = host.exim_rules
    if not conf:
        return
    by_certificate = any(accepts(statements, VERIFIED) for statements in conf.acls.values())
    drivers = {options.get("driver") for options in servers(conf).values()}
    asked = [conf.main.get(name, "") for name in ("tls_verify_hosts", "tls_try_verify_hosts")]
    if not by_certificate and not drivers & {"external", "tls"}:
        return
    if all(map(effect.is_nobody, asked)):
        reason = "relays by certificate, and asks no client for one (tls_try_verify_hosts)"
        yield MTA204.found(shown_path(host), reason, _set(host, "tls_try_verify_hosts", "*"))
    if (believed := conf.main.get(_CAS, "")) in {"", "system"}:
        reason = f"relays by certificate, and verifies by {_CAS} = {believed}, not by our authority"
        yield MTA204.found(shown_path(host), reason, _set(host, _CAS, mta_exim.COPIES.bundle))


MTA207 = Code.error(
    "MTA207",
    "Exim uses TLS without STARTTLS on a port where the other side expects STARTTLS, or the reverse",
)


def wrapped(host: Host) -> Iterator[Finding]:
    """TLS from the first octet is spoken at port 465, and nowhere else."""
    conf = host.exim_rules
    if not conf:
        return
    early = set(conf.main.get("tls_on_connect_ports", "").replace(":", " ").split())
    listens = set(conf.main.get("daemon_smtp_ports", "smtp").replace(":", " ").split())
    if wrong := sorted(early & _IN_CLEAR):
        reason = f"says tls_on_connect_ports for {wrong[0]}, where clients begin in clear"
        yield MTA207.found(shown_path(host), reason, removed(host, "tls_on_connect_ports"))
    if listens & _IMPLICIT and not early & _IMPLICIT:
        reason = "listens on port 465, where clients begin with TLS, without tls_on_connect_ports"
        yield MTA207.found(shown_path(host), reason, cure(host, "write tls_on_connect_ports = 465"))
    for name, options in logging_in(conf).items():
        is_early, port = options.get("protocol", "smtp") == "smtps", options.get("port", "")
        if (is_early and port in _IN_CLEAR) or (not is_early and port in _IMPLICIT):
            reason = f"has the transport {name} speak {options.get('protocol', 'smtp')} at port {port}"
            other = "smtp" if is_early else "smtps"
            yield MTA207.found(shown_path(host), reason, in_transport(host, name, "protocol", other))


def logging_in(conf: Configuration) -> dict[str, Options]:
    """Return the transports that log in wherever they connect."""
    return {
        name: options
        for name, options in conf.transports.items()
        if options.get("driver") == "smtp"
        and any(
            effect.is_everybody(options.get(option, ""))
            for option in ("hosts_require_auth", "hosts_try_auth")
        )
    }


MTA208 = Code.error(
    "MTA208",
    "Exim logs in to a relay outside TLS, or one whose certificate or name it does not verify",
)


def client(host: Host) -> Iterator[Finding]:
    """Who gets a password was verified to be the relay, in TLS."""
    conf = host.exim_rules
    for name, options in logging_in(conf).items() if conf else ():
        is_early = options.get("protocol") == "smtps"
        if not effect.is_nobody(options.get("hosts_avoid_tls", "")):
            yield _weak(host, name, f"hosts_avoid_tls = {options['hosts_avoid_tls']}", "hosts_avoid_tls", "")
        if not is_early and not effect.is_everybody(options.get("hosts_require_tls", "")):
            yield _weak(host, name, "no hosts_require_tls = *", "hosts_require_tls", "*")
        if not effect.is_everybody(options.get("tls_verify_hosts", "")):
            yield _weak(host, name, "no tls_verify_hosts = *", "tls_verify_hosts", "*")
        if not effect.is_everybody(options.get("tls_verify_cert_hostnames", "*")):
            said = f"tls_verify_cert_hostnames = {options['tls_verify_cert_hostnames']}"
            yield _weak(host, name, said, "tls_verify_cert_hostnames", "*")


MTA209 = Code.error(
    "MTA209",
    "Exim demands a certificate of who logs in by a secret, or leaves no version of TLS, or no cipher",
)


def tls(host: Host) -> Iterator[Finding]:
    """Who has a secret needs no certificate, and a version of TLS is left."""
    conf = host.exim_rules
    if not conf or not servers(conf):
        return
    drivers = {options.get("driver") for options in servers(conf).values()}
    if effect.is_everybody(conf.main.get("tls_verify_hosts", "")) and drivers - {"external", "tls"}:
        reason = "says tls_verify_hosts = *, so who has a secret alone gets no TLS, and can't log in"
        yield MTA209.found(shown_path(host), reason, removed(host, "tls_verify_hosts"))
    wanted = conf.main.get("tls_require_ciphers", "")
    if why := _cipher_fault(host, wanted):
        reason = f"says tls_require_ciphers = {wanted}, {why}"
        yield MTA209.found(shown_path(host), reason, removed(host, "tls_require_ciphers"))


def _cipher_fault(host: Host, wanted: str) -> str:
    """Return what is wrong with a choice of ciphers, in words; a priority string is GnuTLS' own."""
    if not wanted or "$" in wanted:
        return ""
    if not effect.versions(wanted):
        return "which leaves neither TLSv1.2 nor TLSv1.3"
    program = next(filter(None, (host.content(host.path(path)) for path in EXIM_PROGRAMS)), b"")
    if b"libgnutls" not in program:
        return ""
    if effect.is_unknown(wanted):
        return "which GnuTLS does not take, so Exim does not start"
    leaf = host.certificates_in(host.path(mta_exim.COPIES.certificate))[:1]
    kind = "RSA" if leaf and key_label(leaf[0].public_key()).startswith("RSA") else "EC"
    return "which leaves no cipher for its key" if effect.without_cipher(wanted, kind) else ""


MTA210 = Code.error(
    "MTA210",
    "a transport of Exim that never logs in: it says HELO, has no version of TLS, or verifies by no CA",
)


def logs_in(host: Host) -> Iterator[Finding]:
    """Who has credentials for a relay can get as far as AUTH."""
    conf = host.exim_rules
    for name, options in logging_in(conf).items() if conf else ():
        for option, is_fatal in _FATAL.items():
            if is_fatal(options.get(option)):
                reason = f"has {option} = {options[option]} in the transport {name}, so no mail leaves"
                value = mta_exim.COPIES.bundle if option == _CAS else ""
                yield MTA210.found(shown_path(host), reason, in_transport(host, name, option, value))


_CAS = "tls_verify_certificates"
_FATAL: Mapping[str, Callable[[str | None], bool]] = {
    "hosts_avoid_esmtp": lambda value: not effect.is_nobody(value or ""),
    "tls_require_ciphers": lambda value: not effect.versions(value or ""),
    _CAS: lambda value: value is not None and not value.strip(),
}
"""Options of a transport, and which values keep it from AUTH."""


def _weak(host: Host, name: str, said: str, option: str, value: str) -> Finding:
    reason = f"has {said} in the transport {name}, so the password goes to whoever answers"
    return MTA208.found(shown_path(host), reason, in_transport(host, name, option, value))


def in_transport(host: Host, name: str, option: str, value: str) -> str:
    """Return how an option of a transport gets a value, or goes where that is empty."""
    fragments = [f"{mta_exim.DIRECTORY}/{file}" for file in host.listing(host.path(mta_exim.DIRECTORY))]
    for path in (*_sources(host), *fragments):
        own = _transport((host.text(path) or "").splitlines(), name)
        there = [n for n, line in own.items() if re.match(rf"\s*{option}\s*=", line)]
        below = [n for n, line in own.items() if _DRIVER.match(line)]
        edits = [f"{n}c {option} = {value}" if value else f"{n}d" for n in there]
        edits += [f"{n}a {option} = {value}" for n in below] if value else []
        if edits:
            return f"sed -i {quote(edits[0])} {quote(host.path(path))} && {_made(host)}"
    return cure(host, f"write {option} = {value or ':'} for the transport {name}")


def _transport(lines: Sequence[str], name: str) -> dict[int, str]:
    """Return the lines of a smtp transport by their number; none where there is no such."""
    for start in (n for n, line in enumerate(lines) if line.strip() == f"{name}:"):
        own = list(takewhile(lambda line: not re.match(r"\w+:|begin ", line), lines[start + 1 :]))
        if any(map(_DRIVER.match, own)):
            return dict(enumerate(own, start + 2))
    return {}
