"""MTA: whether client hosts get to Exim, and their mail from there on its way.

Source: Exim specification 4.96, chapters 14 (main options) and 15 (routers); what each setting does was seen
with 4.96.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from ..lazy import pattern
from ..model import Finding, decimal
from ..mta import exim as mta_exim
from ..mta import exim_filter, exim_hosts, exim_routers
from ..mta import exim_rules as effect
from ..mta.exim_acls import ACLS, Client, controlled, is_met, looked_up, refusal
from ..mta.exim_conditions import SET
from ..mta.exim_rules import Configuration, Statement
from ..systems import DEBIAN
from . import client_hosts
from .exim import below, cure, logging_in, removed, servers, shown_path
from .exim_acls import asking, is_missing
from .finding import Code
from .host import Host
from .room import HEADER, HEADERS, HOPS, MESSAGE, TOO_FAR, left, too_full, too_small

_SPOOL = DEBIAN.exim_spool
_FILES = (
    "tls_certificate",
    "tls_privatekey",
    "tls_verify_certificates",
    "tls_crl",
    "tls_dhparam",
    "tls_ocsp_file",
)


def _hub(host: Host) -> Configuration | None:
    """Return the configuration of an Exim by which clients log in."""
    conf = host.exim_rules
    return conf if conf and servers(conf) else None


def _either(host: Host) -> Configuration | None:
    """Return the configuration of an Exim by which clients log in, or that logs in at a hub itself."""
    conf = host.exim_rules
    return conf if conf and (servers(conf) or logging_in(conf)) else None


MTA211 = Code.error(
    "MTA211",
    "Exim refuses the connections of client hosts, before they can log in (host_reject_connection, "
    "hosts_proxy, smtp_accept_reserve, smtp_load_reserve)",
)


def connections(host: Host) -> Iterator[Finding]:
    """Client hosts are let in."""
    conf = _hub(host)
    if not conf:
        return
    known = client_hosts.addresses(host)
    for name in ("host_reject_connection", "hosts_proxy"):  # of a proxy it waits for what no client says
        if whom := exim_hosts.included(conf.main.get(name, ""), known, conf.host_lists):
            reason = f"says {name} = {conf.main[name]}, which is {whom}"
            yield MTA211.found(shown_path(host), reason, removed(host, name))
    reserved = conf.main.get("smtp_reserve_hosts", "")
    for name, is_closed in _CLOSED.items():
        if name in conf.main and is_closed(conf.main) and not effect.is_everybody(reserved):
            reason = f"says {name} = {conf.main[name]}, so it has no connection left for client hosts"
            yield MTA211.found(shown_path(host), reason, removed(host, name))


def _is_reserved(main: Mapping[str, str]) -> bool:
    numbers = [main.get(name, "0") for name in ("smtp_accept_max", "smtp_accept_reserve")]
    most, kept = (decimal(number) or 0 for number in numbers)
    return 0 < most <= kept


_CLOSED: Mapping[str, Callable[[Mapping[str, str]], bool]] = {
    "smtp_accept_reserve": _is_reserved,
    "smtp_load_reserve": lambda main: not main["smtp_load_reserve"].strip("0. "),
}


MTA212 = Code.warning(
    "MTA212",
    "Exim asks the DNS, block lists or counters about client hosts, and refuses, before it takes those that "
    "logged in (helo_verify_hosts, verify =, dnslists =, ratelimit =)",
)
_ASKED = ("dnslists", "ratelimit")
_VERIFIES = ("helo", "reverse_host_lookup", "sender")
_BEFORE = ("acl_smtp_connect", "acl_smtp_helo", "acl_smtp_mail", "acl_smtp_rcpt")


def asked(host: Host) -> Iterator[Finding]:
    """Who logged in is taken before others are asked, who may refuse."""
    conf = _hub(host)
    if not conf:
        return
    hosts = conf.main.get("helo_verify_hosts", "")
    if whom := exim_hosts.included(hosts, client_hosts.addresses(host), conf.host_lists):
        reason = f"says helo_verify_hosts = {hosts}, so the DNS must confirm what {whom} says in EHLO"
        yield MTA212.found(shown_path(host), reason, removed(host, "helo_verify_hosts"))
    for option in _BEFORE:
        client = replace(asking(host, conf), option=option, is_authenticated=ACLS[option])
        for statement in effect.named(conf, conf.main.get(option, "")):
            if question := _question(statement, client):
                reason = f"asks {question} in {option} before it accepts those who logged in"
                what = f"write accept authenticated = * above {question}"
                yield MTA212.found(shown_path(host), reason, cure(host, what))
                break
            if statement.verb == "accept" and not refusal([statement], client):
                break


def _question(statement: Statement, client: Client) -> str:
    """Return the condition by which alone a statement may refuse: one that asks others."""
    asks = [
        (negated, name, value)
        for negated, name, value in statement.conditions
        if name in _ASKED or (name == "verify" and value.startswith(_VERIFIES))
    ]
    others = [condition for condition in statement.conditions if condition not in asks]
    may_refuse = statement.verb in {"deny", "defer", "drop", "require"}
    if not asks or not may_refuse or is_met(others, client) is not True:
        return ""
    return f"{asks[0][1]} = {asks[0][2]}"


MTA213 = Code.error(
    "MTA213",
    "a file that a main option of Exim's names, for TLS or to look something up, and that is not there",
)


def files(host: Host) -> Iterator[Finding]:
    """Every file that TLS needs is there."""
    conf = _hub(host)
    looked_at = {path for use in host.uses for path in (*use.certificates, *use.keys)}
    for name in _FILES if conf else ():
        value = conf.main.get(name, "") if conf else ""
        is_path = value.startswith("/") and "$" not in value and value not in looked_at
        if is_path and not os.path.exists(host.path(value)):
            reason = f"says {name} = {value}, which is not there, so no client host gets TLS"
            yield MTA213.found(shown_path(host), reason, removed(host, name))
    for name, value in conf.main.items() if conf else ():
        if any(map(is_missing(host), looked_up(value))):
            reason = f"says {name} = {value}, and that file is not there, so Exim refuses who comes"
            yield MTA213.found(shown_path(host), reason, removed(host, name))


MTA214 = Code.error(
    "MTA214",
    "Exim loses or returns mail for other domains, that of client hosts or its own (routers, "
    "hosts_treat_as_local)",
)


def routers(host: Host) -> Iterator[Finding]:
    """A router sends what client hosts hand in, or a client host's own mail, to other hosts."""
    conf = _either(host)
    is_told = mta_exim.is_local_only(host.text(mta_exim.ANSWERS) or "")
    if conf and not is_told and (why := exim_routers.loss(conf, _mail(host, conf))):
        yield MTA214.found(shown_path(host), why, cure(host, "let a router take mail for other domains"))
    name = "hosts_treat_as_local"
    if conf and effect.is_everybody(conf.main.get(name, "")):
        reason = f"says {name} = *, so it takes every other mail server for itself"
        yield MTA214.found(shown_path(host), reason, removed(host, name))


def _mail(host: Host, conf: Configuration) -> exim_routers.Mail:
    """Return what is known of mail: a hub's came from who logged in."""
    named = ("authenticated_id", "sender_host_authenticated") if servers(conf) else ()
    return exim_routers.Mail(host.site.domain, is_missing(host), dict.fromkeys(named, SET))


MTA221 = Code.error(
    "MTA221", "a system filter of Exim that returns, freezes or drops every message, or that is not there"
)


def filtered(host: Host) -> Iterator[Finding]:
    """Mail passes the system filter."""
    conf, name = _either(host), "system_filter"
    path = conf.main.get(name, "") if conf else ""
    if not path.startswith("/") or "$" in path:
        return
    text = host.text(path)
    why = (
        "which is not there" if text is None else f"which {harm}" if (harm := exim_filter.harm(text)) else ""
    )
    if why and (text is not None or not os.path.exists(host.path(path))):
        yield MTA221.found(shown_path(host), f"says {name} = {path}, {why}", removed(host, name))


MTA215 = Code.warning(
    "MTA215",
    "Exim keeps mail for a later run of the queue, or for ever (queue_only, queue_domains, "
    "queue_smtp_domains, hold_domains, queue_only_load, queue_only_file, control = queue, control = freeze)",
)
_KEEPING: Mapping[str, Callable[[Host, str], bool]] = {
    "queue_only": lambda _, value: value in {"yes", "true"},
    **dict.fromkeys(
        ("queue_domains", "queue_smtp_domains", "hold_domains"), lambda _, value: effect.is_everybody(value)
    ),
    "queue_only_load": lambda _, value: bool(value) and not value.strip("0. "),
    "queue_only_file": lambda host, value: os.path.exists(host.path(value.removeprefix("smtp"))),
}
"""Options by which all mail stays, and with which values."""
_CONTROLS = frozenset({"freeze", "queue", "queue_only"})


def kept(host: Host) -> Iterator[Finding]:
    """Mail goes out when it comes in."""
    conf = _either(host)
    for name, keeps in _KEEPING.items() if conf else ():
        value = conf.main.get(name, "") if conf else ""
        if value and keeps(host, value):
            until = "for ever" if name == "hold_domains" else "until the queue is run"
            reason = f"says {name} = {value}, so mail stays here {until}"
            yield MTA215.found(shown_path(host), reason, removed(host, name))
    if hub := _hub(host):
        yield from _controlled(host, hub)


def _controlled(host: Host, conf: Configuration) -> Iterator[Finding]:
    """Yield what an access list makes of the mail of who logged in."""
    for option in (name for name, is_late in ACLS.items() if is_late):
        name = conf.main.get(option, "")
        client = replace(asking(host, conf), option=option, is_authenticated=True)
        if said := controlled(effect.named(conf, name), client, _CONTROLS):
            until = "for ever" if said.startswith("control = freeze") else "until the queue is run"
            reason = f"says {said} in {name} ({option}), so mail of client hosts stays here {until}"
            first = below(host, rf"{name}\s*:", "  accept authenticated = *")
            other = cure(host, f"take {said} out of {option}")
            yield MTA215.found(shown_path(host), reason, first if name in conf.acls else other)


MTA216 = Code.error(
    "MTA216",
    "a hub whose Exim listens on no port, or no address, that client hosts connect to (daemon_smtp_ports, "
    "local_interfaces, mua_wrapper)",
)
_DEFAULTS = DEBIAN.exim_defaults
_BY_COMMAND = pattern(r"(?m)^SMTPLISTENEROPTIONS=.*-oX")
"""Debian's ports in the command that starts the daemon, which go before those of the configuration."""
_PORTS = {"smtp": "25", "submission": "587", "submissions": "465", "smtps": "465"}


def listens(host: Host) -> Iterator[Finding]:
    """The port of client hosts is open, on more than the host's own addresses."""
    conf, port = _hub(host), str(host.port)
    if not conf:
        return
    is_started_otherwise = bool(_BY_COMMAND.search(host.text(_DEFAULTS) or ""))
    said = conf.main.get("daemon_smtp_ports", "smtp").replace("<;", "").replace(";", ":").split(":")
    ports = {_PORTS.get(word.strip(), word.strip()) for word in said} - {""}
    if port not in ports and not is_started_otherwise:
        reason = (
            f"says daemon_smtp_ports = {conf.main['daemon_smtp_ports']}, and client hosts connect to {port}"
        )
        yield MTA216.found(shown_path(host), reason, removed(host, "daemon_smtp_ports"))
    addresses = conf.main.get("local_interfaces", "")
    is_told = mta_exim.closed_interfaces(host.text(mta_exim.ANSWERS) or "")
    if addresses and not is_told and exim_hosts.is_loopback(addresses):
        reason = f"says local_interfaces = {addresses}, so no client host reaches it"
        yield MTA216.found(shown_path(host), reason, removed(host, "local_interfaces"))
    if conf.main.get("mua_wrapper", "no") in {"yes", "true"}:
        reason = "says mua_wrapper, with which Exim starts no daemon"
        yield MTA216.found(shown_path(host), reason, removed(host, "mua_wrapper"))


MTA217 = Code.error(
    "MTA217",
    "Exim takes no message of client hosts, or of its own, for want of room or since each is too large "
    "(check_spool_space, check_spool_inodes, message_size_limit, header_maxsize, header_line_maxsize, "
    "received_headers_max)",
)
_SIZE = pattern(r"([0-9]{1,18})([KMG]?)")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def room(host: Host) -> Iterator[Finding]:
    """A message is taken: there is the room that is asked for, and it is none too large."""
    conf, is_hub = _either(host), _hub(host) is not None
    for name, look in _ROOM.items() if conf else ():
        size = _size(conf.main.get(name, "")) if conf and (is_hub or name == _OF_ALL) else None
        if size is not None and (why := look(host, size)):
            reason = f"says {name} = {conf.main[name] if conf else ''}, and {why}"
            yield MTA217.found(shown_path(host), reason, removed(host, name))


def _size(value: str) -> int | None:
    found = _SIZE.fullmatch(value.strip())
    return int(found[1]) * _UNITS[found[2]] if found else None


def _space(host: Host, least: int) -> str:
    state = _spool(host)
    mega = _UNITS["M"]
    return (
        too_full("the spool", state.f_bavail * state.f_frsize // mega, least // mega, "MiB") if state else ""
    )


def _inodes(host: Host, least: int) -> str:
    state = _spool(host)
    return too_full("the spool", state.f_favail, least, "inodes") if state and state.f_files else ""


def _spool(host: Host) -> os.statvfs_result | None:
    conf = host.exim_rules
    return left(host, conf.main.get("spool_directory", _SPOOL) if conf else _SPOOL)


_OF_ALL = "message_size_limit"
"""Counts for a client host's own mail, too."""
_ROOM: Mapping[str, Callable[[Host, int], str]] = {
    "check_spool_space": _space,
    "check_spool_inodes": _inodes,
    "message_size_limit": lambda _, most: too_small(most, MESSAGE),
    "header_maxsize": lambda _, most: too_small(most, HEADERS),
    "header_line_maxsize": lambda _, most: too_small(most, HEADER),
    "received_headers_max": lambda _, most: TOO_FAR if most < HOPS else "",
}
