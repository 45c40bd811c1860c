"""MTA: what the access lists of Exim decide for client hosts and for strangers."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..model import Finding
from ..mta import exim_rules as effect
from ..mta.exim import ACL, DIRECTORY
from ..mta.exim_acls import (
    ACLS,
    END,
    VERIFIED,
    Client,
    accepts,
    in_doubt,
    looked_up,
    refusal,
    shown,
)
from ..mta.exim_rules import Configuration
from ..mta.program import Role
from . import client_hosts
from .exim import below, cure, servers, shown_path
from .finding import Code
from .host import Host

MTA205 = Code.error(
    "MTA205",
    "an access list of Exim that refuses clients that logged in, or relay by certificate, before it accepts "
    "them, or that asks what Exim can't answer there",
)


_BY_CERTIFICATE = "who shows a certificate"
_OURS = f"{DIRECTORY}/{Role.HUB}-{ACL}.conf"
"""Lets those relay by certificate that may."""


def is_missing(host: Host) -> Callable[[str], bool]:
    """Return what tells of a path that nothing is there."""
    return lambda path: not os.path.exists(host.path(path))


def asking(host: Host, conf: Configuration) -> Client:
    """Return a client of the hub that has said nothing yet."""
    conditions = [one for acl in conf.acls.values() for statement in acl for one in statement.conditions]
    named = {path for _, _, value in conditions for path in looked_up(value)}
    return Client(
        acls=conf.acls,
        host_lists=conf.host_lists,
        port=str(host.port),
        authenticators=tuple(servers(conf)),
        missing=frozenset(filter(is_missing(host), named)),
    )


def _clients(host: Host, conf: Configuration, option: str) -> Iterator[tuple[Client, str]]:
    """Yield who asks at a command, with words for them: all, and the client hosts that are known."""
    is_late = ACLS[option]
    anybody = replace(asking(host, conf), option=option, is_authenticated=is_late)
    yield anybody, "who logged in" if is_late else "every client"
    for address, name in client_hosts.addresses(host).items():
        yield replace(anybody, address=address, name=name), name
    if is_late and any(accepts(statements, VERIFIED) for statements in conf.acls.values()):
        yield replace(anybody, is_authenticated=False, is_verified=True), _BY_CERTIFICATE


def _letting_in(host: Host, option: str, refused: set[str]) -> list[str]:
    """Return the lines at the head of a list that let in who is refused; of certificates, those that may."""
    lines = ["  accept authenticated = *"] if refused - {_BY_CERTIFICATE} else []
    if _BY_CERTIFICATE in refused and option != "acl_smtp_rcpt":
        lines.append("  accept verify = certificate")
    elif _BY_CERTIFICATE in refused and host.text(_OURS) is not None:
        lines.append(f"  .include {_OURS}")
    return lines


def access_lists(host: Host) -> Iterator[Finding]:
    """Who logged in passes every access list."""
    conf = host.exim_rules
    if not conf or not servers(conf):
        return
    for option, is_late in ACLS.items():
        name = conf.main.get(option, "")
        statements = effect.named(conf, name)
        whys = ((refusal(statements, client), whom) for client, whom in _clients(host, conf, option))
        refused = {whom: why for why, whom in whys if why}
        if statements and refused:
            whom, why = next(iter(refused.items()))
            reason = f"refuses {whom} by {why} in {name} ({option})"
            is_list = name in conf.acls
            lines = _letting_in(host, option, {*refused}) if is_late and is_list else []
            other = cure(host, f"take {why} out of {name if is_list else option}")
            way = below(host, rf"{name}\s*:", "\\n".join(lines)) if lines else other
            yield MTA205.found(shown_path(host), reason, way)
    if not conf.main.get("acl_smtp_rcpt"):
        reason = "has no acl_smtp_rcpt, without which Exim refuses every recipient"
        yield MTA205.found(shown_path(host), reason, cure(host, "name an access list in acl_smtp_rcpt"))


MTA206 = Code.error("MTA206", "Exim relays for everybody, or for whoever names a certain sender")


def open_relay(host: Host) -> Iterator[Finding]:
    """A stranger may not relay."""
    conf = host.exim_rules
    name = conf.main.get("acl_smtp_rcpt", "") if conf else ""
    anybody = replace(asking(host, conf), is_liar=True) if conf else Client()
    for statement in effect.named(conf, name) if conf else ():
        sole = refusal([statement], anybody)
        if statement.verb == "accept" and not sole and not in_doubt(statement, anybody):
            reason = f"accepts everybody's mail for other domains in {name}, by {shown(statement)}"
            yield MTA206.found(shown_path(host), reason, cure(host, f"take {shown(statement)} out of {name}"))
        if in_doubt(statement, anybody) or (statement.verb != "accept" and sole != END):
            return
