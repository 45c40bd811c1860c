"""Sendmail on a client host: all mail goes to the hub, authenticated, and only to the real one."""

from collections.abc import Mapping

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..model import Credential
from ..secret import Secret
from . import access, auth_info, sendmail
from .auth_info import AuthInfo
from .program import Facts, File, Map, Need, Rendered, Role, Work
from .sasl_conf import STRONGEST_FIRST

NAME = "sendmail-client"
TITLE = "Sendmail 8.12 or later with Cyrus SASL, relaying through the hub"
ROLE = Role.CLIENT
FAMILY = "sendmail"
NEEDS = frozenset({Need.PAIR, Need.CREDENTIAL, Need.RULES, Need.REVOCATIONS, Need.MECHANISMS, Need.STARTTLS})
MAP = "authinfo-map"
"""FEATURE(authinfo) instead of default-auth-info: the secret is then for the hub alone."""
VARIANTS = frozenset({MAP})
MECHANISMS: tuple[str, ...] = STRONGEST_FIRST
SECRET_FILES: tuple[str, ...] = (auth_info.DEFAULT_PATH, auth_info.MAP_PATH)

FRAGMENT = f"{sendmail.DIRECTORY}/client.m4"


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the credentials, the fragment, and the lines for the access map."""
    credential = facts.credential
    if credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    fragment = File(FRAGMENT, (sendmail.render(TITLE, _settings(facts)),))
    rules = File(access.PATH, (access.render(_rules(facts)),))
    return (*_credentials(facts, credential), fragment, rules)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path == auth_info.DEFAULT_PATH:
        return _named(auth_info.parse(content, path))
    if path == auth_info.MAP_PATH:
        entries = auth_info.parse_map(content, path)
        if len(entries) != 1:
            raise DamagedFileError(path, f"has {len(entries)} entries; smtpcreds writes one, for the hub")
        return {"key": next(iter(entries)), **_named(next(iter(entries.values())))}
    reader = access.parse if path == access.PATH else sendmail.parse
    return dict(reader(content, path))


def work(facts: Facts) -> Work:
    """Return the includes, what they are compiled to, and the commands."""
    return Work(
        (sendmail.include(FRAGMENT), sendmail.include_rules(facts.system, _rules(facts))),
        sendmail.compiled(facts.system, FRAGMENT, _settings(facts), access=True),
        sendmail.commands(facts, access=True),
    )


def _refuse_map(facts: Facts) -> None:
    if facts.system.sendmail_map != "hash":
        reason = "is a Berkeley DB file, and this system's Sendmail has no Berkeley DB"
        raise InexpressibleError(MAP, reason, "leave it out, and the secret is in default-auth-info")


def _settings(facts: Facts) -> sendmail.Settings:
    port = {} if facts.port == 25 else {sendmail.RELAY_ARGUMENTS: f"TCP $h {facts.port}"}
    by_map = {"FEATURE(authinfo)": f"hash {auth_info.MAP_PATH}"}
    by_file = {"confDEF_AUTH_INFO": auth_info.DEFAULT_PATH, **sendmail.SPARE_AUTH_INFO}
    return {
        **sendmail.tls_settings(facts),
        "SMART_HOST": f"[{facts.hub}]",
        **port,
        "confAUTH_MECHANISMS": " ".join(facts.mechanisms),
        "confAUTH_OPTIONS": sendmail.AUTH_OPTIONS,
        **(by_map if MAP in facts.variants else by_file),
    }


def _rules(facts: Facts) -> tuple[access.Rule, ...]:
    """Return the rules; by the first, who can't prove to be the hub gets neither mail nor secret."""
    return (access.checked(access.Rule("TLS_Srv", facts.hub, "VERIFY+CN")), *facts.rules)


def _credentials(facts: Facts, credential: Credential) -> tuple[Rendered, ...]:
    if MAP in facts.variants:
        _refuse_map(facts)
    else:
        return (File(auth_info.DEFAULT_PATH, auth_info.pieces(credential), 0o600),)
    key, value = auth_info.entry(facts.hub, credential, facts.mechanisms)
    path = auth_info.MAP_PATH
    records = dict([auth_info.record(key, value)])
    return (File(path, auth_info.source(key, value), 0o600), Map(f"{path}.db", records, path))


def _named(found: AuthInfo) -> Mapping[str, str | Secret]:
    lines = {"authzid": found.authzid, "authcid": found.authcid, "realm": found.realm}
    return {**lines, "secret": found.secret, "mechanisms": " ".join(found.mechanisms)}
