"""MTA: a saslauthd that a mail server asks about passwords, and can't."""

import os
from collections.abc import Iterator

from ..deploy import saslauthd
from ..lazy import dataclass
from ..model import Finding
from ..mta import main_cf
from .finding import Code
from .host import Host, user_of
from .permissions import PERM016, obstacle
from .rewriting import set_sasl
from .sasl_conf import Conf, confs


@dataclass(frozen=True)
class Asked:
    """A socket, the user who asks there, and the configuration that says so."""

    socket: str
    user: str
    conf: Conf


MTA222 = Code.error(
    "MTA222",
    "saslauthd, which a mail server is to ask about passwords, does not listen where it is asked; no login "
    "account works",
)


def listens(host: Host) -> Iterator[Finding]:
    """On the running host saslauthd is where it is asked; under another root none runs."""
    for asked in _asked(host):
        path = asked.socket
        if os.path.isdir(path):
            told = asked.conf.settings.get("saslauthd_path", f"{host.site.system.saslauthd_run}/mux")
            reason = f"names the directory {told} as saslauthd_path, so no login account works"
            cure = set_sasl(host, asked.conf.path, "saslauthd_path", f"{told.rstrip('/')}/mux")
            yield MTA222.found(asked.conf.path, reason, cure)
        elif host.site.root.is_host and (why := saslauthd.fault(path)):
            yield MTA222.found(path, why, saslauthd.starting(host.site, os.path.dirname(path)))


def reachable(host: Host) -> Iterator[Finding]:
    """Who asks can get to the socket; Debian closes its directory to all but the group sasl."""
    for asked in _asked(host):
        user = user_of(host.site.root, asked.user)
        if user and os.path.exists(asked.socket) and (why := obstacle(host, user, asked.socket)):
            yield PERM016.found(asked.socket, *why)


def _asked(host: Host) -> Iterator[Asked]:
    run = host.site.system.saslauthd_run
    for conf in confs(host):
        path = conf.settings.get("saslauthd_path", f"{run}/mux" if run else "")
        if path and "saslauthd" in conf.settings.get("pwcheck_method", "").lower().split():
            yield from (Asked(host.path(jail + path), user, conf) for user, jail in _who(host, conf.program))


def _who(host: Host, program: str) -> Iterator[tuple[str, str]]:
    """Yield the user that a mail server asks as, and the directory that it is shut up in, or nothing."""
    if program == "sendmail" and host.sendmail and host.relays_by_sendmail:
        yield host.sendmail.option("RunAsUser").partition(":")[0] or "root", ""
    if program == "exim":
        yield host.exim_user, ""
    main = host.postfix if program == "postfix" else None
    if main and main.is_on("smtpd_sasl_auth_enable") and main.value("smtpd_sasl_type") == "cyrus":
        for is_jailed in dict.fromkeys(each.chroot for each in main_cf.servers(host.services)):
            yield main.value("mail_owner"), main.value("queue_directory") if is_jailed else ""
