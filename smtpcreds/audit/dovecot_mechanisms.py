"""SASL: mechanisms that Dovecot offers to clients of a mail server, and that its passdbs serve nobody by."""

from collections.abc import Iterator, Mapping

from ..accounts.schemes import split_scheme
from ..model import Finding
from ..mta import dovecot as mta_dovecot
from ..mta import dovecot_hub
from ..mta.dovecot import DovecotConf
from ..names import BY_PASSWORD, PLAINTEXT
from .dovecot import is_asked, serving
from .dovecot_lines import changed
from .host import DOVECOT_CONF, Host
from .sasl_conf import SASL020

_CLEAR = frozenset({"PLAIN", "CLEAR", "CLEARTEXT"})
_OF_ONE = frozenset({"SCRAM-SHA-1", "SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5"})
"""Schemes that serve the mechanism of their name, too (Dovecot 2.3 and 2.4)."""
_BY_PAM = frozenset({"pam", "shadow", "bsdauth"})


def unserved(host: Host) -> Iterator[Finding]:
    """What is offered serves somebody, as far as all passdbs are files or PAM."""
    conf = serving(host)
    known = _served(host, conf) if conf else frozenset()
    if conf is None or not known:
        return
    offered = [name.upper() for name in conf.mechanisms]
    useless = [name for name in offered if name in BY_PASSWORD and name not in known]
    left = [name for name in offered if name not in useless]
    if useless and left:
        reason = f"offers {' '.join(useless)}, by which no account of its passdbs can be served"
        yield SASL020.found(host.path(DOVECOT_CONF), reason, _cure(host, conf, left))


def _cure(host: Host, conf: DovecotConf, left: list[str]) -> str:
    fragment = host.text(dovecot_hub.FRAGMENT) or ""
    if dovecot_hub.offered(fragment) == tuple(name.upper() for name in conf.mechanisms):
        return f"smtpcreds mta apply dovecot-hub {' '.join(f'--mechanism {name}' for name in left)} --run"
    return changed(host, "auth_mechanisms", " ".join(left).lower(), "smtp")


def _served(host: Host, conf: DovecotConf) -> frozenset[str]:
    """Return what some account can be served by; nothing where that can't be told."""
    found: set[str] = set()
    for options in (options for options in conf.passdbs if options.get("deny") != "yes"):
        served = _served_by(host, options) if is_asked(options) else None
        if served is None:
            return frozenset()
        found |= served
    return frozenset(found)


def _served_by(host: Host, options: Mapping[str, str]) -> set[str] | None:
    """Return the mechanisms of one passdb; None where that can't be told."""
    if options.get("driver") in _BY_PAM:
        return set(PLAINTEXT)
    *words, path = options.get("passwd_file_path", options.get("args", "")).split() or [""]
    text = host.text(path) if options.get("driver") == "passwd-file" and path.startswith("/") else None
    if text is None:
        return None
    by_default = next((word[7:] for word in words if word.startswith("scheme=")), _default(options))
    fields = (line.split(":")[1] for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name for field in fields for name in _by_scheme(field, by_default)}


def _default(options: Mapping[str, str]) -> str:
    return options.get("default_password_scheme", options.get("passwd_file_default_password_scheme", "CRYPT"))


def _by_scheme(field: str, by_default: str) -> tuple[str, ...]:
    """Return what a password that is stored so serves."""
    scheme = (split_scheme(field) or (by_default.upper(), ""))[0].partition(".")[0]
    if scheme in _CLEAR:
        return mta_dovecot.MECHANISMS["PLAIN.b64"]
    return (scheme, *PLAINTEXT) if scheme in _OF_ONE else PLAINTEXT
