"""MTA: whether client hosts get to Dovecot's own service for submission, and into TLS. Seen with 2.3.19."""

from collections.abc import Iterator

from ..model import Finding
from ..mta.dovecot import DovecotConf
from ..smtp.ciphers import left
from .dovecot_lines import Line, lines, octets, removed
from .dovecot_relay import serving
from .finding import Code
from .host import DOVECOT_CONF, Host
from .room import MESSAGE, too_small

MTA309 = Code.error(
    "MTA309",
    "Dovecot's submission service offers no TLS, or takes no session or message of client hosts (ssl, "
    "ssl_min_protocol, ssl_cipher_list, submission_max_mail_size, its inet_listener)",
)
_PROTOCOLS = frozenset({"any", "sslv3", "tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3", "latest"})
_LISTENER = ("service submission-login", "inet_listener submission")
_YES = frozenset({"yes", "y", "1"})


def reachable(host: Host) -> Iterator[Finding]:
    """Client hosts can begin a session, and hand in a message in TLS."""
    conf = serving(host)
    if conf is None:
        return
    for name, why in _said(conf):
        reason = f"says {name} = {conf.submission[name]}, {why}"
        yield MTA309.found(host.path(DOVECOT_CONF), reason, removed(host, name, protocol="submission"))
    for line in lines(host):
        if line.block == _LISTENER and (why := _of_listener(line)):
            reason = f"says {line.name} = {line.value} for {_LISTENER[1]}, {why}"
            yield MTA309.found(host.path(DOVECOT_CONF), reason, line.edited("d"))


def _said(conf: DovecotConf) -> Iterator[tuple[str, str]]:
    """Yield each setting that keeps all out, with the reason."""
    said = conf.submission
    if said.get("ssl") == "no":
        yield "ssl", "so its submission service offers no TLS"
    if "ssl_min_protocol" in said and said["ssl_min_protocol"].lower() not in _PROTOCOLS:
        yield "ssl_min_protocol", "a version that is none, so no TLS session begins"
    if said.get("ssl_cipher_list") and not left(said["ssl_cipher_list"]):
        yield "ssl_cipher_list", "which leaves no cipher, so no TLS session begins"
    if why := too_small(octets(said.get("submission_max_mail_size", "")), MESSAGE):
        yield "submission_max_mail_size", f"and {why}"


def _of_listener(line: Line) -> str:
    if line.name == "haproxy" and line.value.lower() in _YES:
        return "so it waits for what no client host says"
    if line.name == "port" and line.value == "0":
        return "so it does not listen"
    return ""
