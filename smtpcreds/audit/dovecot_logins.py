"""MTA: passwords that Dovecot's own services, as submission, take outside TLS. Seen with 2.3.19."""

import ipaddress
from collections.abc import Iterator

from ..model import Finding
from . import client_hosts
from .dovecot_lines import taken_out
from .finding import Code
from .host import DOVECOT_CONF, Host

_PLAINTEXT = frozenset({"plain", "login"})
MTA301 = Code.error("MTA301", "Dovecot takes passwords outside TLS")


def in_clear(host: Host) -> Iterator[Finding]:
    """Passwords are taken inside TLS only."""
    conf = host.dovecot
    if conf and _PLAINTEXT & {*conf.mechanisms} and conf.takes_cleartext and conf.ssl != "required":
        reason = f"has no {conf.to_refuse}, and ssl = {conf.ssl}, so passwords are taken in clear"
        cure = taken_out(host, conf.to_refuse.split()[0])
        yield MTA301.found(host.path(DOVECOT_CONF), reason, cure)


MTA306 = Code.warning(
    "MTA306",
    "Dovecot takes passwords outside TLS from every host, or from client hosts, as it trusts their network "
    "(login_trusted_networks)",
)


def trusted(host: Host) -> Iterator[Finding]:
    """Client hosts show no password outside TLS, whatever network they are in."""
    conf, name = host.dovecot, "login_trusted_networks"
    value = conf.settings.get(name, "") if conf else ""
    if not conf or not _PLAINTEXT & {*conf.mechanisms} or conf.settings.get("protocols") == "":
        return
    if whom := next(filter(None, (_holds(host, word) for word in value.replace(",", " ").split())), ""):
        reason = f"says {name} = {value}, so it takes passwords of {whom} in clear"
        yield MTA306.found(host.path(DOVECOT_CONF), reason, taken_out(host, name))


def _holds(host: Host, network: str) -> str:
    """Return who of ours is in a network, in words; nobody where it is none."""
    try:
        net = ipaddress.ip_network(network, strict=False)
    except ValueError:
        return ""
    if net.prefixlen == 0:
        return "every host"
    known = client_hosts.addresses(host).items()
    return next((f"{name} ({one})" for one, name in known if ipaddress.ip_address(one) in net), "")
