"""MTA: services of master.cf that clients need, and postscreen before them. Each was seen with 3.7.11."""

import os
from collections.abc import Iterator

from ..ca.layout import pair_of
from ..model import Finding
from ..mta import postfix_rules as effect
from ..mta.main_cf import Service
from ..shell import quote
from .finding import Code
from .host import MAIN_CF, MASTER_CF, Host
from .postfix_scopes import PORTS, RELOAD, clients, logins, senders, servers

MTA128 = Code.error(
    "MTA128",
    "Postfix can't begin TLS: no certificate, no service tlsmgr or tlsproxy, no source of random numbers, or "
    "no such digest or level",
)


def random_numbers(host: Host) -> Iterator[Finding]:
    """Who does TLS gets random numbers from tlsmgr, and tlsmgr from its source."""
    main = host.postfix
    levels = [scope.level for scope in servers(host)]
    levels += [scope.conf.value("smtp_tls_security_level") for scope in senders(host)]
    if main is None or not {*levels} - {"", "none"}:
        return
    is_whole = any(service.command == "cleanup" for service in host.services)
    if is_whole and not any(service.command == "tlsmgr" for service in host.services):
        cure = f"postconf -M {quote(_TLSMGR)} && {RELOAD}"
        yield MTA128.found(host.path(MASTER_CF), "has no service tlsmgr, so no TLS begins", cure)
    yield from _without_proxy(host)
    for name, is_file in _SOURCES.items():
        path = main.value(name).removeprefix("dev:")
        needed = path if is_file else path.rpartition("/")[0]
        if name in main.settings and path.startswith("/") and _is_missing(host, needed):
            reason = f"says {name}={main.value(name)}, and there is no {needed}, so no session begins"
            yield MTA128.found(host.path(MAIN_CF), reason, f"postconf -X {name} && {RELOAD}")
    name = "tls_config_file"
    path = main.value(name)
    if path.startswith("/") and _is_missing(host, path):
        reason = f"says {name}={path}, and there is no {path}, so no TLS begins"
        yield MTA128.found(host.path(MAIN_CF), reason, f"postconf -X {name} && {RELOAD}")


def _without_proxy(host: Host) -> Iterator[Finding]:
    """Who keeps connections with TLS open needs tlsproxy, which is a comment in Debian's master.cf."""
    name = "smtp_tls_connection_reuse"
    if any(service.command == "tlsproxy" for service in host.services):
        return
    for scope in senders(host) if host.services else ():
        if scope.conf.is_on(name):
            reason = f"says {scope.said(name)}, and {MASTER_CF} has no service tlsproxy, so no TLS begins"
            yield MTA128.found(scope.file(name), reason, scope.cure(name, "no"))


_SOURCES = {"tls_random_source": True, "tls_random_exchange_name": False}
"""Parameters with a path, and whether it is to be there itself, or its directory."""


def _is_missing(host: Host, path: str) -> bool:
    """Tell whether a path is not there; an image of a host has no devices."""
    if path.startswith("/dev/") and not os.path.exists(host.path("/dev/null")):
        return False
    return not os.path.exists(host.path(path))


def certified(host: Host) -> Iterator[Finding]:
    """A server that offers TLS has a certificate to show."""
    for scope in servers(host):
        shown = {scope.conf.value(name) for name in _CERTIFICATES} - {"", "none"}
        if scope.level in {"", "none"} or shown:
            continue
        name = "smtpd_tls_chain_files"
        pair = pair_of(host.site, host.known_as, host.site.settings.cert.directory)
        reason = "offers STARTTLS and has no certificate, so no TLS begins"
        cure = scope.cure(name, f"{pair.key}, {pair.certificate}")
        yield MTA128.found(scope.file(name), reason, cure)


_CERTIFICATES = (
    *("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file"),
)

_LEVELS = frozenset({"none", "may", "encrypt", "verify", "secure", "fingerprint"})
"""Of a server; the last three are taken as encrypt."""


def levels(host: Host) -> Iterator[Finding]:
    """A server's level of TLS is one that Postfix knows; by another no session begins."""
    for scope in servers(host):
        name = "smtpd_tls_security_level"
        value = scope.conf.value(name).lower()
        if value and value not in _LEVELS:
            reason = f"says {scope.said(name)}, which is no level of a server, so no session begins"
            yield MTA128.found(scope.file(name), reason, scope.cure(name, "may"))


def digests(host: Host) -> Iterator[Finding]:
    """A digest that OpenSSL does not have switches all TLS off."""
    wanted = [("smtpd", scope) for scope in servers(host) if scope.level not in {"", "none"}]
    wanted += [("smtp", scope) for scope in clients(host)]
    for role, scope in wanted:
        name = f"{role}_tls_fingerprint_digest"
        if (value := scope.conf.value(name).lower()) and value not in effect.DIGITS:
            reason = f"says {scope.said(name)}, a digest that OpenSSL does not have, so no TLS begins"
            yield MTA128.found(scope.file(name), reason, scope.cure(name, "sha256"))


_TLSMGR = "tlsmgr/unix=tlsmgr unix - - y 1000? 1 tlsmgr"

MTA131 = Code.error(
    "MTA131",
    "Postfix does not run the service to which client hosts come: it is disabled, or postscreen has none to "
    "hand sessions to",
)


def running(host: Host) -> Iterator[Finding]:
    """The service that client hosts come to is one that master runs."""
    main, port = host.postfix, str(host.port)
    if main is None or not main.is_on("smtpd_sasl_auth_enable") or not host.services:
        return
    there = [service for service in host.services if service.kind == "inet" and port_of(service) == port]
    name = "master_service_disable"
    for service in there:
        if _is_disabled(service, main.words(name)):
            reason = f"says {name}={main.value(name)}, so nobody listens at port {port}"
            left = ", ".join(word for word in main.words(name) if not _is_disabled(service, (word,)))
            yield MTA131.found(
                host.path(MAIN_CF), reason, f"postconf -e {quote(f'{name}={left}')} && {RELOAD}"
            )
        if service.command == "postscreen" and not _behind(host):
            reason = "has postscreen, and no service smtpd of type pass behind it, so every session ends"
            cure = f"postconf -M {quote(_BEHIND)} && {RELOAD}"
            yield MTA131.found(host.path(MASTER_CF), reason, cure)


_BEHIND = "smtpd/pass=smtpd pass - - y - - smtpd"


def _behind(host: Host) -> bool:
    return any(service.kind == "pass" and service.name == "smtpd" for service in host.services)


def port_of(service: Service) -> str:
    """Return the port of a service."""
    name = service.name.rpartition(":")[2]
    return PORTS.get(name, name)


def _is_disabled(service: Service, words: tuple[str, ...]) -> bool:
    names = {f"{service.name}.{service.kind}", f"{service.name}/{service.kind}", service.kind}
    return any(word in names for word in words)


MTA134 = Code.warning(
    "MTA134",
    "tests of postscreen after its greeting, at the port where client hosts log in: it offers no AUTH, and "
    "turns a client host away at first",
)
_DEEP = (
    "postscreen_bare_newline_enable",
    "postscreen_non_smtp_command_enable",
    "postscreen_pipelining_enable",
)


def screened(host: Host) -> Iterator[Finding]:
    """Where client hosts log in, postscreen hands them on at once."""
    main = host.postfix
    screens = [service for service in host.services if service.command == "postscreen"]
    ports = {port_of(service): service for service in screens}
    if main is None or str(host.port) not in ports or not logins(host):
        return
    conf = main.over(ports[str(host.port)].options)
    for name in _DEEP:
        if conf.is_on(name):
            reason = f"says {name}=yes, so a client host's first session offers no AUTH, and is refused"
            cure = f"postconf -e {name}=no && {RELOAD}"
            yield MTA134.found(host.path(MAIN_CF), reason, cure)
