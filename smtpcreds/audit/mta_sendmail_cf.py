"""MTA: what sendmail.cf says of TLS and AUTH, most of which sendmail keeps silent about."""

import re
from collections.abc import Iterator

from ..mta.sendmail_cf import SendmailCf
from .finding import Finding, found
from .perm_accounts import default_auth_info
from .world import SENDMAIL_CF, SENDMAIL_MC, World

_DEFAULT_MECHANISMS = frozenset({"EXTERNAL", "GSSAPI", "KERBEROS_V4", "DIGEST-MD5", "CRAM-MD5"})
"""Where confAUTH_MECHANISMS is not defined (op.me)."""
_HIDE_PLAINTEXT = frozenset("pamdf")
"""AuthOptions that keep PLAIN and LOGIN from the offer outside TLS (observed)."""
_PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
_LISTS = ("ServerCertFile", "ServerKeyFile", "ClientCertFile", "ClientKeyFile")
_PATHS = (*_LISTS, "CACertFile", "CACertPath", "CRLFile", "CRLPath")
_DIGEST = re.compile(
    r"(?:md5|sha1|sha(?:224|256|384|512)|sha512-(?:224|256)|sha3-\d{3}|ripemd160|sm3|blake2\w+)"
)
_UNKNOWN_NAMES = {
    "confTLS_FINGERPRINT_ALGORITHM": "confCERT_FINGERPRINT_ALGORITHM",
    "confCIPHER_SUITES": "O CipherSuites=... behind LOCAL_CONFIG",
}
"""Names that books and habit give to options, and what they are called."""
_DEFINED = re.compile(r"^\s*define\(`?(\w+)'?", re.MULTILINE)


def mechanisms(world: World) -> Iterator[Finding]:
    """What is trusted is offered, what is offered is trusted, and nothing shows a password outside TLS."""
    cf, path = world.sendmail, world.path(SENDMAIL_CF)
    if cf is None:
        return
    trusted = {name.upper() for name in cf.classes.get("TrustAuthMech", ())}
    given = {name.upper() for name in cf.words("AuthMechanisms")}
    offered = given or _DEFAULT_MECHANISMS
    if excess := sorted(trusted - offered):
        reason = f"trusts {' '.join(excess)}, which it does not offer"
        yield found("MTA001", path, reason, f"change TRUST_AUTH_MECH in {world.path(SENDMAIL_MC)}")
    if trusted and (useless := sorted(given - trusted)):
        reason = f"offers {' '.join(useless)}, and does not relay for who used that"
        yield found("MTA014", path, reason, f"change TRUST_AUTH_MECH in {world.path(SENDMAIL_MC)}")
    shown = sorted(offered & _PLAINTEXT)
    if shown and not _HIDE_PLAINTEXT & set(cf.option("AuthOptions")):
        reason = f"offers {' and '.join(shown)} outside TLS"
        cure = f"define(`confAUTH_OPTIONS', `p y')dnl in {world.path(SENDMAIL_MC)}"
        yield found("MTA002", path, reason, cure)


def dead_credentials(world: World) -> Iterator[Finding]:
    """A default-auth-info that is there, or named, is read."""
    cf, path = world.sendmail, default_auth_info(world)
    if cf is None or not (cf.option("DefaultAuthInfo") or world.content(path) is not None):
        return
    apply = "smtpcreds mta apply sendmail-client, or use FEATURE(`authinfo')"
    if "authinfo" in cf.rulesets:
        reason = "is never read: sendmail.cf has a ruleset authinfo (a line Sauthinfo)"
        yield found("MTA003", path, reason, apply)
    elif not cf.option("DefaultAuthInfo"):
        yield found("MTA003", path, "is never read: sendmail.cf has no DefaultAuthInfo", apply)


def authorities(world: World) -> Iterator[Finding]:
    """Certificates need both confCACERT_PATH and confCACERT; one missing turns TLS off."""
    cf = world.sendmail
    if cf is None or not any(cf.option(name) for name in _LISTS):
        return
    for option, name in (("CACertPath", "confCACERT_PATH"), ("CACertFile", "confCACERT")):
        if not cf.option(option):
            reason = f"has certificates and no {option}, so there is no TLS, and nothing is logged"
            value = world.site.settings.cert.directory + ("" if option == "CACertPath" else "/cacert.pem")
            cure = f"define(`{name}', `{value}')dnl in {world.path(SENDMAIL_MC)}"
            yield found("MTA004", world.path(SENDMAIL_CF), reason, cure)


def paths(world: World) -> Iterator[Finding]:
    """Every path is whole, and lists are separated by a comma alone."""
    cf, path = world.sendmail, world.path(SENDMAIL_CF)
    if cf is None:
        return
    for option in _PATHS:
        for value in map(
            str.strip, cf.option(option).split(",") if option in _LISTS else [cf.option(option)]
        ):
            if value and not value.startswith("/"):
                reason = f"has {option}={value}, which does not begin with a slash, so there is no TLS"
                yield found("MTA005", path, reason, f"write the whole path in {world.path(SENDMAIL_MC)}")
    for role in ("Server", "Client"):
        if why := _list_fault(cf, f"{role}CertFile", f"{role}KeyFile"):
            cure = f"separate them by a comma alone in {world.path(SENDMAIL_MC)}"
            yield found("MTA006", path, why, cure)


def digest(world: World) -> Iterator[Finding]:
    """The fingerprint algorithm is one that OpenSSL knows; another turns TLS off."""
    name = world.sendmail.option("CertFingerprintAlgorithm") if world.sendmail else ""
    if name and not _DIGEST.fullmatch(name.lower()):
        reason = f"has CertFingerprintAlgorithm={name}, so there is no TLS, and nothing is logged"
        cure = f"define(`confCERT_FINGERPRINT_ALGORITHM', `sha256')dnl in {world.path(SENDMAIL_MC)}"
        yield found("MTA011", world.path(SENDMAIL_CF), reason, cure)


def fallback(world: World) -> Iterator[Finding]:
    """A failed handshake does not make mail go in clear."""
    if world.sendmail and world.sendmail.option("TLSFallbacktoClear").lower() in {
        "true",
        "t",
        "yes",
        "y",
        "1",
    }:
        reason = "has TLSFallbacktoClear: where the handshake fails, mail goes in clear"
        cure = f"remove confTLS_FALLBACK_TO_CLEAR from {world.path(SENDMAIL_MC)}"
        yield found("MTA018", world.path(SENDMAIL_CF), reason, cure)


def names(world: World) -> Iterator[Finding]:
    """sendmail.mc defines nothing that only looks like an option; m4 takes any name."""
    text = world.text(SENDMAIL_MC) or ""
    for name in dict.fromkeys(_DEFINED.findall(text)):
        if name in _UNKNOWN_NAMES:
            reason = f"defines {name}, which the macros do not know"
            yield found("MTA016", world.path(SENDMAIL_MC), reason, f"it is called {_UNKNOWN_NAMES[name]}")


def _list_fault(cf: SendmailCf, certificates: str, keys: str) -> str | None:
    for option in (certificates, keys):
        if len(cf.option(option).split()) > 1:
            return f"has a blank in {option}={cf.option(option)}, so there is no TLS"
    numbers = [len(list(filter(None, cf.option(option).split(",")))) for option in (certificates, keys)]
    if numbers[0] and numbers[0] != numbers[1]:
        return f"has {numbers[0]} files in {certificates} and {numbers[1]} in {keys}, so there is no TLS"
    return None
