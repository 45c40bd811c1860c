"""MTA: what Dovecot asks besides our accounts, and the service that asks. Seen with 2.3.19 and 2.4.1."""

import os
from collections.abc import Iterator, Mapping

from ..model import Finding
from ..mta import dovecot as mta_dovecot
from ..mta.dovecot import DovecotConf
from .dovecot import MTA302, MTA303, files_of, is_asked, serving
from .dovecot_lines import octets, passdb_removed, removed
from .finding import Code
from .host import DOVECOT_CONF, Host, group_of, user_of
from .postfix_filters import is_dead


def denied(host: Host) -> Iterator[Finding]:
    """No passdb denies everybody."""
    conf = serving(host)
    for options in filter(is_asked, conf.passdbs) if conf else ():
        is_ours = any(host.said(mta_dovecot.PATH) in named for named in files_of(options))
        is_all = is_ours or options.get("driver") == "static"
        if options.get("deny") == "yes" and is_all:
            reason = f"denies everybody whom the passdb {options.get('driver', '')} knows (deny = yes)"
            yield MTA302.found(host.path(DOVECOT_CONF), reason, passdb_removed(host, "deny", "yes"))


def judged(host: Host) -> Iterator[Finding]:
    """No policy server refuses everybody: dead, while no answer is no, or not configured whole."""
    if conf := serving(host):
        yield from _by_policy(host, conf)


def _by_policy(host: Host, conf: DovecotConf) -> Iterator[Finding]:
    name = "auth_policy_server_url"
    url = conf.settings.get(name, "")
    address = url.partition("://")[2].partition("/")[0]
    is_strict = conf.settings.get("auth_policy_reject_on_fail") == "yes"
    if url and not conf.settings.get("auth_policy_hash_nonce"):
        reason = f"says {name} = {url} and no auth_policy_hash_nonce, so it refuses everybody"
        yield MTA302.found(host.path(DOVECOT_CONF), reason, removed(host, name))
    elif url and is_strict and is_dead(host, address if ":" in address else f"{address}:80"):
        reason = f"asks {url}, where nobody listens, and refuses without an answer"
        yield MTA302.found(host.path(DOVECOT_CONF), reason, removed(host, "auth_policy_reject_on_fail"))


def one_password(host: Host) -> Iterator[Finding]:
    """No password lets every name in."""
    conf = serving(host)
    for options in filter(is_asked, conf.passdbs) if conf else ():
        said = [name for name in ("args", "password", "static_password") if options.get(name)]
        takes_any = "nopassword" in options.get("args", "") or "nopassword" in options
        if options.get("driver") != "static" or options.get("deny") == "yes" or takes_any:
            continue
        if said and (said[0] != "args" or "password=" in options["args"]):
            reason = "has a passdb static with one password for every name"
            cure = passdb_removed(host, said[0], options[said[0]])
            yield MTA303.found(host.path(DOVECOT_CONF), reason, cure)


MTA305 = Code.error(
    "MTA305",
    "Dovecot's service auth can't read the accounts, or does not start, by settings of that service, or by a "
    "passdb whose file is not there",
)
_WITH_FILES = frozenset({"dict", "ldap", "lua", "sql"})
"""Drivers of 2.3 without whose file, in ``args``, the service ends as it starts."""


def passdb_files(host: Host) -> Iterator[Finding]:
    """What a passdb is told is there."""
    conf = serving(host)
    for options in conf.passdbs if conf else ():
        args = options.get("args", "")
        path = args.removeprefix("file=").partition(" ")[0]
        is_read = options.get("driver") in _WITH_FILES and path.startswith("/") and "%" not in path
        if is_read and not os.path.exists(host.path(path)):
            reason = f"names {path} for the passdb {options['driver']}, which is not there, so nobody logs in"
            yield MTA305.found(host.path(DOVECOT_CONF), reason, passdb_removed(host, "args", args))


_ONE_PROCESS = "process_limit"
_OF_SERVICE = ("chroot", _ONE_PROCESS, "vsz_limit", "drop_priv_before_exec", "protocol")
_LEAST = 4 * 1024**2
"""Octets of memory; with a quarter of that it ends as it starts, with twice as much it serves."""


def service(host: Host) -> Iterator[Finding]:
    """What checks accounts starts, as a user who can read them."""
    conf = serving(host)
    if conf is None:
        return
    said = conf.auth
    if name := next((name for name in _OF_SERVICE if _is_wrong(name, said)), ""):
        reason = f"says {name} = {said[name]} in service auth, so it does not start as it should"
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, name, ("service auth",)))
    program = said.get("executable", "").partition(" ")[0]
    is_gone = program.startswith("/") and not os.path.exists(host.path(program))
    if is_gone or os.path.basename(program) not in {"", "auth"}:
        why = "which is not there" if is_gone else "which is another program"
        reason = f"says executable = {program} in service auth, {why}"
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, "executable", ("service auth",)))
    user = _expanded(said.get("user", ""), conf)
    groups = [
        _expanded(name, conf) for name in (said.get("group", ""), *said.get("extra_groups", "").split())
    ]
    if not _reads(host, user, groups if said.get("group") else groups[1:], is_whole=bool(said.get("group"))):
        name = next((name for name in ("group", "user") if said.get(name)), "")
        block: tuple[str, ...] = ("service auth",) if name else ()
        name = name or "default_internal_user"
        where = " ".join(block) or "its configuration"
        reason = f"says {name} in {where}, so it can't read {host.said(mta_dovecot.PATH)}"
        yield MTA305.found(host.path(DOVECOT_CONF), reason, removed(host, name, block))


def _is_wrong(name: str, said: Mapping[str, str]) -> bool:
    value = said.get(name, "")
    if name == "vsz_limit":
        return 0 < octets(value) < _LEAST
    if name == "drop_priv_before_exec":
        return value == "yes"
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
