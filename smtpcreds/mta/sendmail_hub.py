"""Sendmail as the hub: STARTTLS and AUTH, relaying for who authenticated or shows a certificate."""

from collections.abc import Mapping

from ..errors import InexpressibleError, UsageError
from ..secret import Secret
from . import access, sasl_conf, saslauthd, sendmail, sendmail_daemon
from .program import Facts, File, Need, Rendered, Role, Work
from .sasl_conf import EXTERNAL, GSSAPI

NAME = "sendmail-hub"
TITLE = "Sendmail 8.12 or later with Cyrus SASL, relaying for client hosts"
ROLE = Role.HUB
FAMILY = "sendmail"
NEEDS = frozenset({Need.PAIR, Need.RULES, Need.BACKEND, Need.PORT, Need.MECHANISMS})
VARIANTS: frozenset[str] = frozenset()
MECHANISMS: tuple[str, ...] = (GSSAPI, *sasl_conf.STRONGEST_FIRST)
SECRET_FILES: tuple[str, ...] = ()

FRAGMENT = f"{sendmail.DIRECTORY}/hub.m4"
SASL_CONF = sasl_conf.PROGRAMS["sendmail"].conf


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return Sendmail.conf, the fragment, and the lines for the access map."""
    fragment = File(FRAGMENT, (sendmail.render(TITLE, _settings(facts)),))
    rules = (File(access.PATH, (access.render(facts.rules),)),) if facts.rules else ()
    return (_sasl_conf(facts), fragment, *rules)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path == SASL_CONF:
        return sasl_conf.shown(sasl_conf.parse(content, path))
    reader = access.parse if path == access.PATH else sendmail.parse
    return dict(reader(content, path))


def work(facts: Facts) -> Work:
    """Return the includes, what they are compiled to, and the commands."""
    has_rules = bool(facts.rules)
    return Work(
        (sendmail.include(FRAGMENT), sendmail.include_rules(facts.system, facts.rules)),
        sendmail.compiled(
            facts.system,
            FRAGMENT,
            _settings(facts),
            access=has_rules,
            port=facts.port,
            also=(SASL_CONF,),
        ),
        sendmail.commands(facts, access=has_rules),
        (
            sendmail_daemon.reachable(sendmail.SOURCE, facts.port),
            *((sendmail_daemon.enabled(facts.system),) if facts.system.rc_conf else ()),
        ),
        readers=saslauthd.sockets(facts.backend, "root", facts),
    )


def _settings(facts: Facts) -> sendmail.Settings:
    """Return the settings; one list gives both the mechanisms that are offered and those that are trusted."""
    mechanisms = " ".join(facts.mechanisms)
    if facts.keytab and facts.realm != facts.host:
        reason = (
            f"is the realm of the accounts, under which Sendmail would look for its key, not {facts.host}"
        )
        raise InexpressibleError(facts.realm, reason, "leave sasl.realm out, or --keytab")
    realm = {"confAUTH_REALM": facts.realm} if facts.realm != facts.host else {}
    return {
        **sendmail.tls_settings(facts),
        "confAUTH_MECHANISMS": mechanisms,
        "TRUST_AUTH_MECH": mechanisms,
        "confAUTH_OPTIONS": sendmail.AUTH_OPTIONS,
        **realm,
        **({sendmail.BY_ISSUER: " ".join(facts.issuers)} if EXTERNAL in facts.mechanisms else {}),
        **sendmail.kept_out(facts.replaced),
    }


def _sasl_conf(facts: Facts) -> File:
    if facts.backend is None:
        raise UsageError(NAME, "needs to know where the accounts are")
    content = sasl_conf.pieces(facts.backend, facts.mechanisms, facts.keytab)
    return File(SASL_CONF, content, 0o600 if len(content) > 1 else 0o644)
