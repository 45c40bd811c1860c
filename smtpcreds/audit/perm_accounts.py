"""PERM: account databases, and files with secrets of accounts."""

import os
from collections.abc import Iterator

from ..mta import auth_info, authinfo_map
from ..postgres import is_url
from .finding import Finding
from .modes import Rule, judge
from .users import group_of, user_of
from .world import World

_MAP_ENDS = ("", ".db", ".lmdb", ".cdb", ".dir", ".pag")
_SASL_GROUPS = ("sasl", "postfix")


def databases(world: World) -> Iterator[Finding]:
    """sasldb2 is for root, and for one group of mail servers; Debian makes it 0660 root:sasl."""
    settings = world.site.settings.sasl
    groups = {group_of(world.site.root, name) for name in (*_SASL_GROUPS, settings.group)} | {0, os.getegid()}
    for path in databases_of(world):
        if os.path.exists(path):
            excess = 0o007 if os.stat(path).st_gid in groups else 0o077
            rule = Rule(
                "PERM010", excess, world.owners | owner_of_accounts(world), "Sendmail says nothing about it"
            )
            yield from judge(path, rule)


def credentials(world: World) -> Iterator[Finding]:
    """What client hosts log in with."""
    own = world.owners
    rule = Rule("PERM011", 0o077, own, "Sendmail refuses it and defers the mail")
    yield from judge(default_auth_info(world), rule)
    for path in _maps(world.path(_authinfo(world))):
        excess = 0o037 if _is_of_root(path) else 0o077
        yield from judge(path, Rule("PERM012", excess, own, "Sendmail says nothing about it"))
    for path in sasl_passwd(world):
        yield from judge(path, Rule("PERM013", 0o037 if _is_of_root(path) else 0o077, own))


def owner_of_accounts(world: World) -> frozenset[int]:
    """Return the number of the user that the configuration gives the account database to."""
    user = user_of(world.site.root, world.site.settings.sasl.owner)
    return frozenset({user.uid} if user else ())


def secrets(world: World) -> list[str]:
    """Return every file of accounts and their secrets, there or not."""
    maps = _maps(world.path(_authinfo(world)))
    return [*databases_of(world), default_auth_info(world), *maps, *sasl_passwd(world)]


def databases_of(world: World) -> tuple[str, ...]:
    """Return the account database, and the default one, which a mail server may read all the same."""
    configured = () if is_url(world.site.sasldb) else (world.site.sasldb,)
    return tuple(dict.fromkeys((*configured, world.path("/etc/sasldb2"))))


def default_auth_info(world: World) -> str:
    """Return the file that sendmail.cf names, else the usual one."""
    named = world.sendmail.option("DefaultAuthInfo") if world.sendmail else ""
    return world.path(named if named.startswith("/") else auth_info.DEFAULT_PATH)


def sasl_passwd(world: World) -> tuple[str, ...]:
    """Return the files of smtp_sasl_password_maps, sources and what postmap made of them."""
    named = world.postfix.words("smtp_sasl_password_maps") if world.postfix else ()
    paths = [word.partition(":")[2] for word in named] or ["/etc/postfix/sasl_passwd"]
    return tuple(file for path in paths if path.startswith("/") for file in _maps(world.path(path)))


def _authinfo(world: World) -> str:
    named = world.sendmail.map_file("authinfo") if world.sendmail else ""
    return named or authinfo_map.DEFAULT_PATH


def _maps(path: str) -> tuple[str, ...]:
    return tuple(path + end for end in _MAP_ENDS)


def _is_of_root(path: str) -> bool:
    """Tell whether a file belongs to root's own group, which makemap's 0640 gives nothing to."""
    return os.path.exists(path) and os.stat(path).st_gid == 0
