"""MTA: whether client hosts get to Sendmail, and whether it finds their account.

Source: op.me of sendmail 8.17 (DaemonPortOptions, AuthRealm); what each does was seen with 8.17.1.
"""

import os
from collections.abc import Iterator

from ..model import Finding, decimal
from ..mta import sendmail_daemon
from ..postgres import is_url
from ..sasldb.records import in_order
from .finding import Code
from .host import SENDMAIL_CF, SENDMAIL_MC, Host, user_of
from .permissions import obstacle
from .sendmail_switches import rebuilt, removed, without_key

MTA037 = Code.error(
    "MTA037",
    "Sendmail looks accounts up in another realm than theirs (confAUTH_REALM, confDOMAIN_NAME); who logs in "
    "with a bare name is refused",
)


def realm(host: Host) -> Iterator[Finding]:
    """The realm in which a bare name is looked up is that of the accounts."""
    cf = host.sendmail
    if cf is None or not host.relays_by_sendmail or not host.site.realm:
        return
    name, value = "confAUTH_REALM", cf.option("AuthRealm")
    if not value:
        name, value = "confDOMAIN_NAME", cf.macros.get("j", "")
    is_another = value and "$" not in value and value != host.site.realm
    if is_another and any(account.realm == host.site.realm for account, _ in in_order(host.records)):
        reason = f"looks accounts up in the realm {value} ({name}), and they are in {host.site.realm}"
        yield MTA037.found(host.path(SENDMAIL_CF), reason, removed(host, name, name))


MTA041 = Code.warning(
    "MTA041",
    "mail that Sendmail keeps until the queue is run, instead of sending it at once (confDELIVERY_MODE, "
    "DeliveryMode= of DAEMON_OPTIONS, confQUEUE_LA with confQUEUE_FACTOR)",
)


_KEEPS = frozenset({"q", "d"})
"""Modes of delivery: queueonly, deferred."""
_PRIORITY = 30000
"""Of a message for one recipient, by the default of confWORK_RECIPIENT_FACTOR."""


def kept(host: Host) -> Iterator[Finding]:
    """Mail goes out when it comes in."""
    mode = host.sendmail.option("DeliveryMode") if host.sendmail else ""
    is_ours = host.relays_by_sendmail or host.logs_in_by_sendmail
    if is_ours and mode[:1].lower() in _KEEPS:
        reason = f"has DeliveryMode={mode}, so mail stays here until the queue is run"
        yield MTA041.found(
            host.path(SENDMAIL_CF), reason, removed(host, "confDELIVERY_MODE", "confDELIVERY_MODE")
        )
    load, factor = (
        host.sendmail.option(name) if host.sendmail else "" for name in ("QueueLA", "QueueFactor")
    )
    least = decimal(factor)
    if is_ours and load in {"0", "1"} and least is not None and least < _PRIORITY:
        reason = f"has QueueLA={load} and QueueFactor={factor}, so mail stays here under any load"
        yield MTA041.found(host.path(SENDMAIL_CF), reason, removed(host, "confQUEUE_LA", "confQUEUE_LA"))


def kept_by_port(host: Host) -> Iterator[Finding]:
    """So does mail that comes in by a port of its own."""
    is_ours = host.relays_by_sendmail or host.logs_in_by_sendmail
    for line in sendmail_daemon.in_result(host.text(SENDMAIL_CF) or "") if is_ours else ():
        if sendmail_daemon.parse(line).mode[:1].lower() in _KEEPS:
            reason = f"says DaemonPortOptions={line}, so mail stays here until the queue is run"
            yield MTA041.found(host.path(SENDMAIL_CF), reason, without_key(host, line, "d"))


MTA039 = Code.error("MTA039", "a hub whose Sendmail listens on no port that client hosts connect to")


def listens(host: Host) -> Iterator[Finding]:
    """One of the daemon's ports is that of client hosts; without any line it is port 25."""
    port = host.port
    if host.sendmail is None or not host.relays_by_sendmail:
        return
    lines = sendmail_daemon.in_result(host.text(SENDMAIL_CF) or "")
    ports = {sendmail_daemon.parse(line).port for line in lines} or {25}
    if port not in ports:
        shown = ", ".join(map(str, sorted(ports)))
        reason = f"listens on port {shown}, and client hosts connect to {port}"
        line = f"DAEMON_OPTIONS(`Name=MTA-{port}, Port={port}')dnl"
        cure = f"{line} in {host.path(SENDMAIL_MC)}, then: {rebuilt(host)}"
        yield MTA039.found(host.path(SENDMAIL_CF), reason, cure)


MTA042 = Code.error("MTA042", "Sendmail runs as a user who can't read its keys or accounts (confRUN_AS_USER)")


def user(host: Host) -> Iterator[Finding]:
    """Who Sendmail becomes can read what it needs; it takes no key that a group can read."""
    name = host.sendmail.option("RunAsUser").partition(":")[0] if host.sendmail else ""
    runs_as = user_of(host.site.root, name) if name else None
    if not (runs_as and (host.relays_by_sendmail or host.logs_in_by_sendmail)):
        return
    needs = [host.path(key) for use in host.uses if use.program == "sendmail" for key in use.keys]
    if host.relays_by_sendmail and not is_url(host.site.sasldb):
        needs.append(host.site.sasldb)
    faults = (obstacle(host, runs_as, path) for path in dict.fromkeys(needs) if os.path.exists(path))
    if why := next(filter(None, faults), None):
        reason = f"has RunAsUser={name}, and {why[0]}"
        cure = removed(host, "confRUN_AS_USER", "confRUN_AS_USER")
        yield MTA042.found(host.path(SENDMAIL_CF), reason, cure)
