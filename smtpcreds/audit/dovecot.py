"""MTA: settings of Dovecot that keep it from checking accounts for a mail server, or let everybody in."""

import os
from collections.abc import Callable, Iterator, Mapping

from ..model import Finding
from ..mta import dovecot as mta_dovecot
from ..mta import dovecot_hub
from ..mta.dovecot import DovecotConf
from .dovecot_lines import passdb_removed, removed
from .finding import Code
from .host import DOVECOT_CONF, Host, group_of, user_of
from .postfix_filters import is_dead

_KEEP_NAMES = frozenset({"", "%u", "%Lu", "%{user}", "%{user|lower}"})
_STOPS = frozenset({"return", "return-fail"})
_WANTED = ("auth_mechanisms", "disable_plaintext_auth", "auth_allow_cleartext")


def _serving(host: Host) -> DovecotConf | None:
    """Return the configuration of a Dovecot that checks accounts for a mail server."""
    conf = host.dovecot
    return conf if conf and any(path.startswith("/var/spool/") for path in conf.listeners) else None


def _files_of(options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that a passdb names, as Dovecot 2.3 and as 2.4 calls them."""
    return options.get("args", ""), options.get("passwd_file_path", "")


MTA302 = Code.error(
    "MTA302",
    "Dovecot refuses logins through a mail server: it wants a client certificate that it never sees, or "
    "stops before the accounts",
)


def refuses(host: Host) -> Iterator[Finding]:
    """An account that is there can log in."""
    if conf := _serving(host):
        yield from _by_certificate(host, conf)
        yield from _before_ours(host, conf)
        yield from _by_policy(host, conf)


def _by_certificate(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    for name in ("auth_ssl_require_client_cert", "auth_ssl_username_from_cert"):
        if conf.settings.get(name) == "yes":
            reason = f"says {name} = yes, so it refuses everybody whose certificate it does not see"
            yield MTA302.found(host.path(DOVECOT_CONF), reason, removed(host, name))


def _before_ours(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    ours_path = mta_dovecot.PATH
    ours = [n for n, options in enumerate(conf.passdbs) if mta_dovecot.PATH in _files_of(options)]
    for options in conf.passdbs[: ours[-1]] if ours else ():
        if not _is_asked(options):
            continue
        if options.get("deny") == "yes":
            if _denies(options):
                reason = f"denies everybody whom the passdb {options.get('driver', '')} knows (deny = yes)"
                yield MTA302.found(host.path(DOVECOT_CONF), reason, passdb_removed(host, "deny", "yes"))
        elif options.get("result_failure") in _STOPS and ours_path not in _files_of(options):
            reason = f"stops at the passdb {options.get('driver', '')} (result_failure), before {ours_path}"
            yield MTA302.found(host.path(DOVECOT_CONF), reason, removed(host, "result_failure"))


def _is_asked(options: Mapping[str, str]) -> bool:
    """Tell whether a passdb is asked about everybody who logs in by himself."""
    is_limited = any(options.get(name) for name in ("mechanisms", "username_filter"))
    return not is_limited and options.get("master") != "yes" and options.get("skip", "never") == "never"


def _denies(options: Mapping[str, str]) -> bool:
    return mta_dovecot.PATH in _files_of(options) or options.get("driver") == "static"


def _by_policy(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    """Yield a policy server that refuses everybody: dead, while no answer is no, or not configured whole."""
    name = "auth_policy_server_url"
    url = conf.settings.get(name, "")
    address = url.partition("://")[2].partition("/")[0]
    is_strict = conf.settings.get("auth_policy_reject_on_fail") == "yes"
    if url and not conf.settings.get("auth_policy_hash_nonce"):
        reason = f"says {name} = {url} and no auth_policy_hash_nonce, so it refuses everybody"
        yield MTA302.found(host.path(DOVECOT_CONF), reason, removed(host, name))
    elif url and is_strict and is_dead(host, address if ":" in address else f"{address}:80"):
        reason = f"asks {url}, where nobody listens, and refuses without an answer"
        cure = removed(host, "auth_policy_reject_on_fail")
        yield MTA302.found(host.path(DOVECOT_CONF), reason, cure)


MTA303 = Code.error("MTA303", "Dovecot lets everybody in, and so everybody may relay")


def anybody(host: Host) -> Iterator[Finding]:
    """Who logs in has an account and knows its secret."""
    conf = _serving(host)
    if conf is None:
        return
    for options in filter(_lets_in, conf.passdbs):
        for name in ("args", "default_fields", "override_fields", "nopassword", "password"):
            value = options.get(name, "")
            if name == "nopassword" in options or "nopassword" in value:
                reason = (
                    f"has a passdb {options.get('driver', '')} with nopassword, so every password is right"
                )
            elif _has_one_password(options, name):
                reason = "has a passdb static with one password for every name"
            else:
                continue
            cure = passdb_removed(host, name, value)
            yield MTA303.found(host.path(DOVECOT_CONF), reason, cure)


def _lets_in(options: Mapping[str, str]) -> bool:
    return _is_asked(options) and options.get("deny") != "yes"


def _has_one_password(options: Mapping[str, str], name: str) -> bool:
    is_said = name == "password" in options or (name == "args" and "password=" in options.get("args", ""))
    return is_said and options.get("driver") == "static"


MTA304 = Code.error(
    "MTA304",
    "Dovecot's configuration undoes settings of smtpcreds by a later line, or looks up other names than "
    "clients send; or the mail server may not use its socket",
)


def undone(host: Host) -> Iterator[Finding]:
    """What the fragment says is in force, and names are looked up as they are."""
    conf, text = _serving(host), host.text(dovecot_hub.FRAGMENT)
    if conf is None or text is None:
        return
    wanted = mta_dovecot.parse_configuration(text)
    for name in _WANTED:
        if name in wanted.settings and conf.settings.get(name) != wanted.settings[name]:
            said = conf.settings.get(name, "nothing")
            reason = f"says {name} = {said}, and {dovecot_hub.FRAGMENT} says {wanted.settings[name]}"
            yield MTA304.found(host.path(DOVECOT_CONF), reason, removed(host, name))
    for name, is_kept in _NAMES.items():
        value = conf.settings.get(name, "")
        if value and not is_kept(value, host.site.realm):
            reason = f"says {name} = {value}, so it looks up other names than clients send"
            yield MTA304.found(host.path(DOVECOT_CONF), reason, removed(host, name))
    for path, options in wanted.listeners.items():
        found = conf.listeners.get(path, {})
        for name in (name for name in ("mode", "user", "group") if found.get(name) != options.get(name)):
            said = f"{name} = {found.get(name)}"
            reason = f"says {said} for {path}, so the mail server can't ask it"
            cure = removed(host, name, ("service auth", f"unix_listener {path}"))
            yield MTA304.found(host.path(DOVECOT_CONF), reason, cure)


_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_@")
_NAMES: Mapping[str, Callable[[str, str], bool]] = {
    "auth_username_format": lambda value, _: value in _KEEP_NAMES,
    "auth_username_chars": lambda value, _: set(value) >= _CHARACTERS,
    "auth_username_translation": lambda _value, _realm: False,
    "auth_default_realm": lambda value, realm: value == realm,
}
"""Settings that change the name which is looked up, and which values, given the hub's realm, keep it."""


MTA305 = Code.error(
    "MTA305",
    "Dovecot's service auth can't read the accounts, or does not start, by settings of that service",
)
_ONE_PROCESS = "process_limit"


def service(host: Host) -> Iterator[Finding]:
    """What checks accounts starts, as a user who can read them."""
    conf = _serving(host)
    if conf is None:
        return
    said = conf.auth
    if name := next((name for name in ("chroot", _ONE_PROCESS) if _is_wrong(name, said)), ""):
        reason = f"says {name} = {said[name]} in service auth, so it does not start as it should"
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, name, ("service auth",)))
    program = said.get("executable", "").partition(" ")[0]
    if program.startswith("/") and not os.path.exists(host.path(program)):
        reason = f"says executable = {program} in service auth, which is not there"
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, "executable", ("service auth",)))
    user = _expanded(said.get("user", ""), conf)
    groups = [
        _expanded(name, conf) for name in (said.get("group", ""), *said.get("extra_groups", "").split())
    ]
    if not _reads(host, user, groups if said.get("group") else groups[1:], is_whole=bool(said.get("group"))):
        name = next((name for name in ("group", "user") if said.get(name)), "")
        block: tuple[str, ...] = ("service auth",) if name else ()
        name = name or "default_internal_user"
        reason = (
            f"says {name} in {' '.join(block) or 'its configuration'}, so it can't read {mta_dovecot.PATH}"
        )
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, name, block))


def _is_wrong(name: str, said: Mapping[str, str]) -> bool:
    value = said.get(name, "")
    return bool(value) and not (name == _ONE_PROCESS and value == "1")


def _expanded(name: str, conf: DovecotConf) -> str:
    """Return a user or group with the two words that Dovecot puts in for them."""
    known = {
        "": conf.settings.get("default_internal_user", "dovecot"),
        "$default_internal_user": conf.settings.get("default_internal_user", "dovecot"),
        "$default_internal_group": conf.settings.get("default_internal_group", "dovecot"),
    }
    return known.get(name, name)


def _reads(host: Host, user: str, groups: list[str], *, is_whole: bool) -> bool:
    """Tell whether a user with these groups reads the accounts; ``is_whole`` where one replaces his own."""
    path, known = host.path(mta_dovecot.PATH), user_of(host.site.root, user)
    if known is None or known.uid == 0 or not os.path.exists(path):
        return True
    status = os.stat(path)
    named = {group_of(host.site.root, group) for group in groups} | (set() if is_whole else {*known.gids})
    return status.st_uid == known.uid or status.st_gid in named or bool(status.st_mode & 0o004)
