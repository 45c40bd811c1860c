"""GSSAPI: a mail server that offers it needs a key of its name, and nobody else may read that.

Observed with Sendmail 8.17, Postfix 3.7 and MIT krb5 1.20: without its keytab the mechanism is left out, and
only Postfix says so; with another key each ticket is refused, by 535 or 454.
"""

import os
from collections.abc import Iterator

from ..deploy.keytab import SERVICE, excess_of, how_to_make, is_for, lacking
from ..errors import DamagedFileError
from ..lazy import dataclass
from ..model import Finding
from ..mta import main_cf, postfix
from ..mta.keytab import principals
from ..mta.sasl_conf import GSSAPI, KEYTAB
from .finding import Code
from .host import Host, group_of, user_of
from .permissions import PERM016, Rule, judge, obstacle
from .sasl_conf import Conf, confs


@dataclass(frozen=True)
class Service:
    """A mail server that offers GSSAPI.

    Attributes:
        conf: says so.
        user: that it runs as.
        names: under any of which it looks for its key.
        jail: of a Postfix in its chroot, a path on the host; else empty.
    """

    conf: Conf
    user: str
    names: tuple[str, ...]
    jail: str = ""

    @property
    def keytab(self) -> str:
        """Where its keys are, on the host."""
        return self.conf.settings.get("keytab", KEYTAB)


def _services(host: Host) -> Iterator[Service]:
    offer = {"sendmail": _sendmail, "postfix": _postfix, "exim": _exim}
    for conf in confs(host):
        found = offer[conf.program](host, conf)
        yield from (found,) if found else ()


def _sendmail(host: Host, conf: Conf) -> Service | None:
    words = tuple(map(str.upper, host.sendmail.words("AuthMechanisms"))) if host.sendmail else ()
    listed = conf.mechanisms or words
    if (
        not host.sendmail
        or not host.relays_by_sendmail
        or GSSAPI not in listed
        or GSSAPI not in (words or listed)
    ):
        return None
    user, realm = host.sendmail.option("RunAsUser").partition(":")[0], host.sendmail.option("AuthRealm")
    return Service(conf, user or "root", (realm.lower(),) if realm else host.server_names)


def _postfix(host: Host, conf: Conf) -> Service | None:
    main = host.postfix
    is_on = main and main.is_on("smtpd_sasl_auth_enable") and main.value("smtpd_sasl_type") == "cyrus"
    if not main or not is_on or GSSAPI not in conf.mechanisms:
        return None
    is_jailed = any(service.chroot for service in main_cf.servers(host.services))
    name = (main.value("myhostname") or host.name).lower()
    return Service(
        conf, main.value("mail_owner"), (name,), main.value("queue_directory") if is_jailed else ""
    )


def _exim(host: Host, conf: Conf) -> Service | None:
    is_offered = GSSAPI in conf.mechanisms
    return Service(conf, host.exim_user, (host.site.hub, host.name)) if is_offered else None


SASL021 = Code.error(
    "SASL021",
    "GSSAPI is to be offered, and there is no keytab where the mail server looks; it is left out, or no "
    "ticket is taken",
)
_CACHE = "/var/tmp"  # noqa: S108 - MIT's library keeps there which tickets it has seen


def keytabs(host: Host) -> Iterator[Finding]:
    """The keytab is there, and is one; in a chroot there are it and a place for the cache of replays."""
    for service in _services(host):
        path, make = host.site.path(service.keytab), how_to_make(service.keytab, service.names[-1])
        if not os.path.exists(path):
            yield SASL021.found(path, "is missing, so nobody can log in by GSSAPI", make)
            continue
        inside = (f"{service.jail}{name}" for name in (service.keytab, _CACHE)) if service.jail else ()
        if missing := [name for name in inside if not os.path.exists(host.site.path(name))]:
            reason = f"is for a smtpd in a chroot that lacks {missing[0]}, so no ticket is taken"
            yield SASL021.found(path, reason, _leave(host))
        try:
            _held(host, path)
        except DamagedFileError as error:
            yield SASL021.found(path, error.reason, make)


def _leave(host: Host) -> str:
    """Return how each smtpd leaves the chroot."""
    jailed = [service for service in main_cf.servers(host.services) if service.chroot]
    return " && ".join([*(postfix.moving(service, "n") for service in jailed), postfix.RELOAD])


def _held(host: Host, path: str) -> tuple[str, ...] | None:
    """Return whose keys a keytab holds; None where it can't be read, which is remembered."""
    content = host.content(path)
    return None if content is None else principals(content, path)


SASL022 = Code.error(
    "SASL022",
    "GSSAPI is offered, and the keytab has no key of the name that the mail server looks for, or that "
    "clients ask for; every ticket is refused",
)


def names(host: Host) -> Iterator[Finding]:
    """The keytab holds smtp/NAME, and the name is one that clients ask for."""
    for service in _services(host):
        path = host.site.path(service.keytab)
        wanted = service.names[-1]
        if service.conf.program == "sendmail" and wanted not in host.server_names:
            reason = f"is Sendmail's AuthRealm, so it looks for {SERVICE}/{wanted}, which no client asks for"
            yield SASL022.found(
                wanted, reason, f"take GSSAPI out of {service.conf.path}, or confAUTH_REALM out"
            )
            continue
        try:
            held = _held(host, path)
        except DamagedFileError:
            continue  # SASL021
        if held is not None and not any(
            is_for(principal, name) for principal in held for name in service.names
        ):
            yield SASL022.found(path, lacking(held, wanted), how_to_make(service.keytab, wanted))


PERM020 = Code.error(
    "PERM020",
    "a keytab that others can read; who does can pose as the mail server, and log in to it as anybody",
)


def rights(host: Host) -> Iterator[Finding]:
    """Only root and the mail server can read its keys, and it can."""
    for service in _services(host):
        path, user = host.site.path(service.keytab), user_of(host.site.root, service.user)
        if not os.path.exists(path):
            continue
        groups = (user.gids if user else frozenset()) | {group_of(host.site.root, service.user) or 0}
        owners = host.owners | {user.uid} if user else host.owners
        rule = Rule(
            PERM020, excess_of(os.stat(path).st_gid, groups), owners, "who reads it logs in as anybody"
        )
        yield from judge(path, rule)
        if user and (why := obstacle(host, user, path)):
            yield PERM016.found(path, *why)
