"""MTA: the relay server to which Dovecot's submission service hands on mail. Seen with 2.3.19 and 2.4.1."""

import ipaddress
import os
import stat
from collections.abc import Iterator

from ..ca.layout import BUNDLE
from ..model import Finding
from ..mta.dovecot import DovecotConf
from ..shell import quote
from .dovecot_lines import RELOAD, changed, removed
from .finding import Code
from .host import DOVECOT_CONF, Host
from .postfix_filters import is_dead

_SUBMISSION = "submission"
HOST, PORT, SSL = "submission_relay_host", "submission_relay_port", "submission_relay_ssl"
_CA = ("ssl_client_ca_file", "ssl_client_ca_dir")
_SWITCHES = ("submission_relay_ssl_verify", "ssl_client_require_valid_cert")
_COPY = f"{os.path.dirname(DOVECOT_CONF)}/smtpcreds-relay-ca.pem"
_THEN = f" && {RELOAD}"
_EARLY, _LATE = "465", frozenset({"25", "587"})
_NONE = "no"


def serving(host: Host) -> DovecotConf | None:
    """Return the configuration of a Dovecot with a submission service."""
    conf = host.dovecot
    return conf if conf and _SUBMISSION in conf.submission.get("protocols", "").split() else None


def _is_local(host: Host, name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() in {"localhost", host.name, "$hostname"}


MTA307 = Code.error(
    "MTA307",
    "Dovecot's submission service hands on mail, and its password, to the relay server outside TLS, or "
    "without verifying its certificate (submission_relay_ssl, submission_relay_ssl_verify, "
    "ssl_client_require_valid_cert)",
)


def protected(host: Host) -> Iterator[Finding]:
    """What leaves the host goes to the relay server alone."""
    conf = serving(host)
    relay = conf.submission.get(HOST, "") if conf else ""
    if not conf or not relay or _is_local(host, relay):
        return
    what = "mail and its password go" if conf.submission.get("submission_relay_password") else "mail goes"
    if conf.submission.get(SSL, _NONE) == _NONE:
        value = "smtps" if conf.submission.get(PORT) == _EARLY else "starttls"
        reason = f"has no {SSL}, so {what} to {relay} outside TLS"
        cure = changed(host, SSL, value, _SUBMISSION, below=HOST)
        yield MTA307.found(host.path(DOVECOT_CONF), reason, _verifying(host, conf, relay, cure))
        return
    for name in _SWITCHES:
        if conf.submission.get(name, "yes") == _NONE:
            reason = f"says {name} = no, so {what} to whoever answers for {relay}"
            cure = _verifying(host, conf, relay, removed(host, name, protocol=_SUBMISSION))
            yield MTA307.found(host.path(DOVECOT_CONF), reason, cure)


MTA308 = Code.error(
    "MTA308",
    "Dovecot's submission service takes logins, and can't hand on mail: it has no relay server, the wrong "
    "port, or no CA certificates to verify it by, which with Dovecot 2.3 every user has to be able to read",
)


def reached(host: Host) -> Iterator[Finding]:
    """Who logs in can send."""
    conf = serving(host)
    relay = conf.submission.get(HOST, "") if conf else ""
    if not conf:
        return
    if not relay:
        reason = f"has no {HOST}, so who logs in is refused"
        name = "localhost" if host.name == host.site.hub else host.site.hub
        cure = changed(host, HOST, name, _SUBMISSION)
        if name != "localhost" and conf.submission.get(SSL, _NONE) == _NONE:
            tls = changed(host, SSL, "starttls", _SUBMISSION)
            cure = _verifying(host, conf, name, f"{tls.removesuffix(_THEN)} && {cure}")
        yield MTA308.found(host.path(DOVECOT_CONF), reason, cure)
        return
    yield from _ports(host, conf, relay)
    is_verifying = not any(conf.submission.get(name, "yes") == _NONE for name in _SWITCHES)
    if conf.submission.get(SSL, _NONE) != _NONE and is_verifying:
        yield from _authorities(host, conf, relay)


def _ports(host: Host, conf: DovecotConf, relay: str) -> Iterator[Finding]:
    port, way = conf.submission.get(PORT, "25"), conf.submission.get(SSL, _NONE)
    if (way == "smtps" and port in _LATE) or (way != "smtps" and port == _EARLY):
        reason = f"says {SSL} = {way} for port {port}, where the other side expects otherwise"
        value = "smtps" if port == _EARLY else "starttls"
        yield MTA308.found(
            host.path(DOVECOT_CONF), reason, changed(host, SSL, value, _SUBMISSION, below=HOST)
        )
    if is_dead(host, f"{relay}:{port}"):
        reason = f"hands on mail to {relay} at port {port}, where nobody listens"
        name = PORT if PORT in conf.submission else HOST
        yield MTA308.found(host.path(DOVECOT_CONF), reason, removed(host, name, protocol=_SUBMISSION))


def _authorities(host: Host, conf: DovecotConf, relay: str) -> Iterator[Finding]:
    """Yield what keeps the service from verifying the relay server; with 2.3 it reads as who logged in."""
    if why := _unverified(host, conf, relay):
        yield MTA308.found(host.path(DOVECOT_CONF), why, _told_whom(host, conf, below=SSL))


def _unverified(host: Host, conf: DovecotConf, relay: str) -> str:
    file, directory = (conf.submission.get(name, "") for name in _CA)
    if directory:
        return ""
    if conf.is_new and not file:  # 2.4 takes those of the system then
        return f"has no {_CA[0]}, and the system's CAs don't know {relay}" if _is_ours(host, relay) else ""
    return _fault(host, file, is_new=conf.is_new)


def _verifying(host: Host, conf: DovecotConf, relay: str, cure: str) -> str:
    """Return a cure together with that of what it would bring to light."""
    if not _unverified(host, conf, relay):
        return cure
    return f"{_told_whom(host, conf, below='').removesuffix(_THEN)} && {cure}"


def _told_whom(host: Host, conf: DovecotConf, *, below: str) -> str:
    """Return how the service comes to know our authority, in a file that every user may read."""
    file = conf.submission.get(_CA[0], "")
    known = [path for path in (file, f"{host.site.certificates}/{BUNDLE}") if path]
    source = next((path for path in known if host.certificates_in(_on_disk(host, path))), known[-1])
    copy = f"install -m 644 {quote(_on_disk(host, source))} {quote(host.path(_COPY))}"
    return f"{copy} && {changed(host, _CA[0], _COPY, _SUBMISSION, below=below)}"


def _is_ours(host: Host, relay: str) -> bool:
    """Tell whether the relay server is our hub, and its authority none of the system's."""
    ours = host.certificates_in(f"{host.site.certificates}/{BUNDLE}")
    public = host.certificates_in(host.path(host.site.system.ca_bundle))
    return relay.lower() == host.site.hub and not any(each in public for each in ours)


def _on_disk(host: Host, path: str) -> str:
    return path if path.startswith(host.site.certificates) else host.path(path)


def _fault(host: Host, file: str, *, is_new: bool) -> str:
    """Return why nobody can be verified by a file of CA certificates, in words.

    2.4 reads it as root when it reads its configuration, and takes none without it (observed with 2.4.1).
    """
    if not file:
        return f"has no {_CA[0]}, so no relay server can be verified"
    path = host.path(file)
    if not os.path.exists(path):
        effect = ", so Dovecot does not start again" if is_new else ""
        return f"says {_CA[0]} = {file}, which is not there{effect}"
    if not is_new and not _is_for_all(host, path):
        return f"says {_CA[0]} = {file}, which not every user may read"
    return "" if host.certificates_in(path) else f"says {_CA[0]} = {file}, which holds no certificate"


def _is_for_all(host: Host, path: str) -> bool:
    """Tell whether every user may read a file, and go through the directories to it, from the root on."""
    if not os.stat(path).st_mode & stat.S_IROTH:
        return False
    directory = os.path.dirname(os.path.realpath(path))
    while len(directory) > len(host.top) and directory != "/":
        if not os.stat(directory).st_mode & stat.S_IXOTH:
            return False
        directory = os.path.dirname(directory)
    return True
