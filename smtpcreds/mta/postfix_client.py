"""Postfix on a client host: all mail goes to the hub, authenticated, and only to the real one."""

from collections.abc import Mapping

from ..errors import InexpressibleError, UsageError
from ..model import Credential
from ..names import BY_PASSWORD
from ..secret import Secret
from . import postfix
from .postfix import Table
from .program import Facts, File, Need, Rendered, Role, Work
from .sasl_conf import EXTERNAL

NAME = "postfix-client"
TITLE = "Postfix 3.4 or later with Cyrus SASL, relaying through the hub"
ROLE = Role.CLIENT
FAMILY = "postfix"
NEEDS = frozenset({Need.PAIR, Need.CREDENTIAL, Need.MECHANISMS})
VARIANTS = postfix.KINDS

FRAGMENT = f"{postfix.DIRECTORY}/client.cf"
PASSWORDS = f"{postfix.DIRECTORY}/sasl_passwd"
POLICY = f"{postfix.DIRECTORY}/tls_policy"
MECHANISMS: tuple[str, ...] = BY_PASSWORD
SECRET_FILES: tuple[str, ...] = (PASSWORDS,)


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the password, the TLS policy, and the settings."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    tables = (_passwords(facts, facts.credential), _policy(facts))
    fragment = File(FRAGMENT, (postfix.render(TITLE, FRAGMENT, _settings(facts)),))
    return (*(file for table in tables for file in table.files), fragment)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path == PASSWORDS:
        return postfix.parse_password(content, path)
    if path == POLICY:
        return {
            key: value.decode(errors="replace") for key, value in postfix.parse_table(content, path).items()
        }
    return dict(postfix.parse(content, path))


def work(facts: Facts) -> Work:
    """Return the lines for main.cf, and the commands."""
    kind = postfix.kind_of(facts.variants, facts.system)
    tables = [Table(path, kind, {}) for path in (PASSWORDS, POLICY)]
    return Work(
        (postfix.include(FRAGMENT, _settings(facts)),),
        tuple(result for table in tables for result in table.compiled),
        (*(command for table in tables for command in table.commands), postfix.RELOAD),
        (postfix.delivering(),),
        untraced=True,
    )


def _next_hop(facts: Facts) -> str:
    """Return the name under which relayhost, password and policy know the hub; any difference is a miss."""
    return f"[{facts.hub}]:{facts.port}"


def _settings(facts: Facts) -> postfix.Settings:
    """Return the settings; the level holds for a next hop that the policy does not know, too."""
    kind = postfix.kind_of(facts.variants, facts.system)
    wrapped = {"smtp_tls_wrappermode": "yes"} if facts.is_tls_from_the_start else {}
    return {
        "relayhost": _next_hop(facts),
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"{kind}:{PASSWORDS}",
        "smtp_sasl_mechanism_filter": ", ".join(_mechanisms(facts)),
        "smtp_sasl_security_options": "noplaintext, noanonymous",
        "smtp_sasl_tls_security_options": "noanonymous",
        "smtp_tls_security_level": "secure",
        **wrapped,
        "smtp_tls_policy_maps": f"{kind}:{POLICY}",
        "smtp_tls_CAfile": postfix.path(facts.tls.bundle),
        "smtp_tls_chain_files": postfix.pair(facts.tls),
    }


def _mechanisms(facts: Facts) -> list[str]:
    """Return what is tried, without EXTERNAL: a certificate is shown, but Postfix never logs in by it."""
    tried = [name.lower() for name in facts.mechanisms if name != EXTERNAL]
    if not tried:
        raise InexpressibleError(
            EXTERNAL, "is not a mechanism by which Postfix logs in", "--mechanism SCRAM-SHA-256"
        )
    return tried


def _passwords(facts: Facts, credential: Credential) -> Table:
    value = postfix.password(str(credential.account), credential.login, credential.secret)
    return Table(PASSWORDS, postfix.kind_of(facts.variants, facts.system), {_next_hop(facts): value}, 0o600)


def _policy(facts: Facts) -> Table:
    value = f"secure match={facts.hub}".encode()
    return Table(POLICY, postfix.kind_of(facts.variants, facts.system), {_next_hop(facts): (value,)})
