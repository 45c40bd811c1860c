"""Exim on a client host: all mail for others goes to the hub, authenticated, and only to the real one.

Router, transport and authenticators are our own. The secret is given inside TLS on that transport only, to a
server that proved to be the hub; it is looked up by the name that we write, not by the one DNS gives back.
"""

from collections.abc import Mapping

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..lazy import pattern
from ..model import Credential
from ..secret import Secret
from ..shell import quote
from . import exim
from .exim import Fragment, Options
from .program import Content, Facts, File, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "exim-client"
TITLE = "Exim 4.92 or later, relaying through the hub"
ROLE = Role.CLIENT
FAMILY = "exim"
NEEDS = frozenset({Need.MATERIAL, Need.CREDENTIAL, Need.REVOCATIONS, Need.MECHANISMS})
BY_CERTIFICATE = "auth-optional"
"""Send also where the hub refuses the account, and relays by certificate."""
VARIANTS = exim.STYLES | {BY_CERTIFICATE}
CREDENTIALS = f"{exim.DIRECTORY}/passwd.client"
MECHANISMS: tuple[str, ...] = ("CRAM-MD5", "PLAIN", "LOGIN")
SECRET_FILES: tuple[str, ...] = (CREDENTIALS,)

MAX_SECRET = 2047
"""Octets."""

HUB = "smtpcreds_hub"
"""Name of our router and of our transport."""
_CONDITION = f"${{if and{{{{def:tls_out_cipher}}{{eq{{$transport_name}}{{{HUB}}}}}}}}}"
_FORBIDDEN = {b"\n": "a line feed", b"\r": "a carriage return", b"\0": "a NUL"}
_BLANKS = b" \t\v\f"
_LINE = pattern(rb"([A-Za-z0-9._-]+): ([^:\n]+):([^\n]*)\n")


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return copies of key and certificates, the credentials, and the fragments."""
    exim.check_style(facts)
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    credentials = File(CREDENTIALS, _line(facts.hub, facts.credential), 0o640, group=exim.USER)
    return (
        credentials,
        exim.COPIES.key_file(facts),
        *exim.COPIES.public_files(facts),
        *exim.render(TITLE, ROLE, facts, _fragments(facts)),
    )


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path != CREDENTIALS:
        return exim.parse(path, content)
    found = _LINE.fullmatch(content)
    if not found:
        raise DamagedFileError(path, "is not one line 'hub: user:secret'; lines are not quoted")
    login = found[2].decode(errors="replace")
    return {"hub": found[1].decode(), "authcid": login, "secret": Secret(found[3])}


def work(facts: Facts) -> Work:
    """Return the lines to add, and the commands."""
    return exim.work(ROLE, facts, _fragments(facts))


def _fragments(facts: Facts) -> tuple[Fragment, ...]:
    authenticators = _authenticators(facts)
    stock = tuple(f"{name.removeprefix(exim.driver_name(''))}:" for name in authenticators)
    return (
        Fragment(exim.ROUTERS, {HUB: _router(facts)}),
        Fragment(exim.TRANSPORTS, {HUB: _transport(facts)}),
        Fragment(exim.AUTHENTICATORS, authenticators, stock),
    )


def _router(facts: Facts) -> Options:
    return {
        "driver": "manualroute",
        "domains": "! +local_domains",
        "transport": HUB,
        "route_list": f"* {exim.word(facts.hub)} byname",
        "host_find_failed": "defer",
        "same_domain_copy_routing": "yes",
        "more": "no",
    }


def _transport(facts: Facts) -> Options:
    return {
        "driver": "smtp",
        "port": str(facts.port),
        "protocol": "smtps" if facts.is_tls_from_the_start else "smtp",
        "hosts_require_tls": "*",
        "hosts_try_auth" if BY_CERTIFICATE in facts.variants else "hosts_require_auth": "*",
        "tls_certificate": exim.COPIES.certificate,
        "tls_privatekey": exim.COPIES.key,
        "tls_verify_certificates": exim.COPIES.bundle,
        **exim.COPIES.crl_setting(facts, "tls_crl"),
        "tls_verify_hosts": "*",
        "tls_verify_cert_hostnames": "*",
        "tls_sni": exim.word(facts.hub),
    }


def _authenticators(facts: Facts) -> Mapping[str, Options]:
    """Return one for each mechanism that is wanted and that Exim knows as a client."""
    line = f"${{lookup{{{exim.word(facts.hub)}}}lsearch{{{CREDENTIALS}}}{{$value}}fail}}"
    user, secret = f"${{extract{{1}}{{:}}{{{line}}}}}", f"${{sg{{{line}}}{{\\N^[^:]*:\\N}}{{}}}}"
    sent_user, sent_secret = (f"${{sg{{{value}}}{{\\N\\^\\N}}{{^^}}}}" for value in (user, secret))
    known: dict[str, Options] = {
        "CRAM-MD5": {"driver": "cram_md5", "client_name": user, "client_secret": secret},
        "PLAIN": {"driver": "plaintext", "client_send": f"<; ^{sent_user}^{sent_secret}"},
        "LOGIN": {"driver": "plaintext", "client_send": f"<; ; {sent_user} ; {sent_secret}"},
    }
    return {
        exim.driver_name(name): {**known[name], "public_name": name, "client_condition": _CONDITION}
        for name in usable(NAME, known, facts.mechanisms)
    }


def _line(hub: str, credential: Credential) -> Content:
    """Return the line of the credentials, as lsearch reads it."""
    account = str(credential.account)
    if fault := _fault(credential.secret.reveal()):
        reason = f"the secret {fault}, which passwd.client can't express"
        raise InexpressibleError(account, reason, f"smtpcreds sasl passwd {quote(account)}")
    return (f"{exim.word(hub)}: {credential.login}:".encode(), credential.secret, b"\n")


def _fault(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if value.startswith(b"^"):
        return "begins with ^, for which PLAIN has no form in Exim"
    if value[-1:] in _BLANKS:
        return "ends in a space"
    if len(value) > MAX_SECRET:
        return f"is over {MAX_SECRET} octets"
    return next((f"contains {name}" for octet, name in _FORBIDDEN.items() if octet in value), None)
