"""MTA: what Postfix puts between clients and the queue: milters, filters, and changes of commands.

Each was seen with 3.7.11. Whether somebody listens is looked up where the kernel lists it; nobody is asked.
"""

import os
from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import main_cf
from .finding import Code
from .host import Host
from .postfix_lookups import answer
from .postfix_missing import without
from .postfix_scopes import Scope, clients, lacks_service, logins, servers, words_of

MTA129 = Code.error(
    "MTA129",
    "Postfix hands sessions or mail to a milter, a filter or a transport that is not there, or that waits; "
    "mail is refused, or stays in the queue",
)
_LISTENING = "0A"
_LOCAL = pattern(r"\[?(127\.\d+\.\d+\.\d+|localhost|::1)\]?:([0-9]{1,5})")
_ATTRIBUTE = pattern(r"default_action\s*=\s*(\w+)")


def ports(host: Host) -> frozenset[int] | None:
    """Return the TCP ports at which somebody listens on this host; None where that can't be seen."""
    texts = [host.text(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    if texts[0] is None:
        return None
    lines = (line.split() for text in texts for line in (text or "").splitlines()[1:])
    return frozenset(int(fields[1].rpartition(":")[2], 16) for fields in lines if fields[3] == _LISTENING)


def is_dead(host: Host, address: str) -> bool:
    """Tell whether nobody listens at an address, as ``127.0.0.1:10024``; in doubt somebody does."""
    found, open_ports = _LOCAL.fullmatch(address), ports(host)
    return bool(found and open_ports is not None and int(found[2]) not in open_ports)


_MILTERS = frozenset({"inet", "inet6", "unix", "local"})


def milters(host: Host) -> Iterator[Finding]:
    """Who is asked about each session, or about this host's own mail, is there, or mail passes without."""
    own = [(Scope(host, None, host.postfix), "non_smtpd_milters")] if host.postfix and clients(host) else []
    for scope, name in (*((scope, "smtpd_milters") for scope in servers(host)), *own):
        conf = scope.conf
        is_by_map = name == "smtpd_milters" and conf.value("smtpd_milter_maps")
        for word in () if is_by_map else words_of(conf.value(name)):
            yield from _absent_milter(scope, name, word)


def _absent_milter(scope: Scope, name: str, word: str) -> Iterator[Finding]:
    conf, own = scope.conf, _ATTRIBUTE.search(word) if word.startswith("{") else None
    action = own[1] if own else conf.value("milter_default_action")
    address = words_of(word.strip("{} "))[0] if word.strip("{} ") else ""
    if address.partition(":")[0] not in _MILTERS:
        reason = f"says {word} in {name}, which is no transport and address of a milter; no mail is taken"
        yield MTA129.found(scope.file(name), reason, without(scope, name, word))
        return
    if action.lower() == "accept" or not _has_no_milter(scope, address):
        return
    cure = scope.cure("milter_default_action", "accept")
    if own:
        cure = without(scope, name, word)
    is_set = own or "milter_default_action" in conf.settings  # its default is another one since 3.11
    what = f"mail gets {action}" if is_set else "no mail is taken"
    reason = f"asks the milter {address}, which is not there; {what} ({name})"
    yield MTA129.found(scope.file(name), reason, f"{cure}, or by hand: start the milter")


def _has_no_milter(scope: Scope, address: str) -> bool:
    kind, _, path = address.partition(":")
    if kind == "inet":
        return is_dead(scope.host, path)
    places = {_socket(scope, path), *(() if scope.service else (path, _in_queue(scope, path)))}
    return kind in {"unix", "local"} and not any(map(os.path.exists, map(scope.host.path, places)))


def _socket(scope: Scope, path: str) -> str:
    """Return a socket as it is called outside of the chroot."""
    is_inside = not path.startswith("/") or bool(scope.service and scope.service.chroot)
    return _in_queue(scope, path) if is_inside else path


def _in_queue(scope: Scope, path: str) -> str:
    return f"{scope.conf.value('queue_directory')}/{path.lstrip('/')}"


def filters(host: Host) -> Iterator[Finding]:
    """Where mail goes next is there."""
    for scope in servers(host):
        name = "content_filter"
        if why := _undelivered(scope, scope.conf.value(name)):
            reason = f"says {scope.said(name)}, {why}; mail stays in the queue"
            yield MTA129.found(scope.file(name), reason, f"{scope.cure(name, '')}, or by hand: start it")
        name = "smtpd_proxy_filter"
        value = scope.conf.value(name).removeprefix("inet:")
        kind, _, path = value.partition(":")
        is_gone = kind == "unix" and not os.path.exists(host.path(_socket(scope, path)))
        if is_gone or is_dead(host, f"127.0.0.1:{value}" if value.isdecimal() else value):
            reason = f"says {scope.said(name)}, where nobody listens; mail is refused"
            yield MTA129.found(scope.file(name), reason, f"{scope.cure(name, '')}, or by hand: start it")
    for scope in (*logins(host), *clients(host))[:1]:
        name = "default_transport"
        if lacks_service(scope, scope.conf.value(name)):
            reason = f"says {scope.said(name)}, a service that master.cf does not have; mail stays here"
            yield MTA129.found(scope.file(name), reason, scope.cure(name, "smtp"))
        name = "defer_transports"
        if waiting := {"smtp", "relay", "local", scope.conf.value("default_transport")} & {
            *scope.conf.words(name)
        }:
            reason = f"says {scope.said(name)}, so mail by {', '.join(sorted(waiting))} stays in the queue"
            yield MTA129.found(scope.file(name), reason, scope.cure(name, ""))


def _undelivered(scope: Scope, value: str) -> str:
    """Say why mail does not get to a ``transport:destination``."""
    transport, _, destination = value.partition(":")
    if not value or not scope.host.services:
        return ""
    if lacks_service(scope, value):
        return f"and master.cf has no service {transport}"
    return "where nobody listens" if is_dead(scope.host, destination) else ""


MTA130 = Code.error(
    "MTA130",
    "Postfix changes or ignores commands of clients, AUTH or STARTTLS among them",
)
_COMMANDS = (
    *("EHLO client.example.org", "STARTTLS", "AUTH PLAIN", "AUTH CRAM-MD5", "AUTH SCRAM-SHA-256 biwsbj1"),
    *("MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>", "DATA"),
)
_VERBS = frozenset(command.partition(" ")[0] for command in _COMMANDS)


def commands(host: Host) -> Iterator[Finding]:
    """Commands arrive as they were sent."""
    for scope in logins(host):
        name = "smtpd_noop_commands"
        ignored = [word for word in words_of(scope.conf.value(name)) if _names_a_verb(scope, word)]
        if ignored:
            reason = f"says {scope.said(name)}, so it answers {', '.join(ignored)} and does nothing"
            others = [word for word in words_of(scope.conf.value(name)) if word not in ignored]
            yield MTA130.found(scope.file(name), reason, scope.cure(name, ", ".join(others)))
        name = "smtpd_command_filter"
        for command in _COMMANDS:
            made = _filtered(scope, command)
            if made.split()[:1] != command.split()[:1]:
                reason = f"makes {made or 'nothing'} of {command} ({name})"
                yield MTA130.found(scope.file(name), reason, scope.cure(name, ""))
                break


def _names_a_verb(scope: Scope, word: str) -> bool:
    """Tell whether a word of a list of commands is one that mail needs, or a table that has one."""
    is_table = ":" in word
    return any(
        answer(scope, word, (verb, verb.lower())) if is_table else word.upper() == verb for verb in _VERBS
    )


def _filtered(scope: Scope, command: str) -> str:
    tables = main_cf.words(scope.conf.value("smtpd_command_filter"))
    found = (answer(scope, table, (command, command.lower())) for table in tables)
    return next(filter(None, found), command).upper()


MTA135 = Code.note(
    "MTA135",
    "Postfix expects the first line of a proxy; client hosts that come to it themselves are turned away",
)


def proxied(host: Host) -> Iterator[Finding]:
    """Client hosts come through the proxy, if there is one."""
    for scope in logins(host):
        name = "smtpd_upstream_proxy_protocol"
        if scope.service and scope.service.kind == "pass":
            name = "postscreen_upstream_proxy_protocol"
        if scope.conf.value(name):
            reason = f"says {scope.said(name)}: who does not come through the proxy is turned away"
            yield MTA135.found(scope.file(name), reason, scope.cure(name, ""))
