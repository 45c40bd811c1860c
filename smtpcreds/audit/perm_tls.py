"""PERM: keys, certificates, CA bundles and CRLs, and the directories that they lie in."""

import os
import stat
from collections.abc import Iterator

from ..authority.layout import ca_files
from ..errors import SmtpcredsError
from ..pki.hashlinks import is_link_name
from ..pki.keyfile import decode_key
from ..pki.keys import public_id
from .finding import Finding, found
from .modes import Rule, acl, judge, words
from .repairs import close, drop_acl
from .world import World

_KEY_MARK = b"PRIVATE KEY-----"
_REFUSED = "Sendmail refuses it, and mail goes unencrypted"


def keys(world: World) -> Iterator[Finding]:
    """Judge every private key that is configured, or lies among certificates."""
    group_may = {world.path(key) for use in world.uses if use.group_may_read for key in use.keys}
    for path in key_files(world):
        excess = 0o037 if path in group_may else 0o077
        yield from judge(path, Rule("PERM001", excess, world.owners, _REFUSED))


def others(world: World) -> Iterator[Finding]:
    """Judge certificates, bundles and CRLs: whoever can change them decides who is believed."""
    secret = set(key_files(world))
    for path in dict.fromkeys((*_configured(world), *_lying_around(world))):
        if path not in secret:
            yield from judge(path, Rule("PERM002", 0o022, world.owners, "Sendmail refuses it"))


def directories(world: World) -> Iterator[Finding]:
    """Certificate directories are closed to others, by mode and by ACL."""
    shared = {
        os.path.dirname(world.path(key)) for use in world.uses if use.user != "root" for key in use.keys
    }
    for path in world.own_places:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        excess = 0o007 if path in shared else 0o077
        granted = acl(path)
        if granted:
            reason = f"its ACL gives access to {', '.join(granted)}"
            yield found("PERM009", path, reason, f"setfacl -b {path}", drop_acl(path))
        elif mode & excess and not mode & 0o022:
            cure = f"chmod {mode & ~excess:04o} {path}"
            yield found("PERM004", path, f"mode {mode:04o}; others may enter it", cure, close(path, excess))


def ca_key(world: World) -> Iterator[Finding]:
    """The key of the CA lies where the mail server's keys lie, under whatever name."""
    known = {public_id(ca) for ca in world.authorities}
    for path in key_files(world):
        try:
            key = decode_key(world.content(path) or b"", None, path)
        except SmtpcredsError:
            continue  # CERT002 says so of those that are configured
        if public_id(key) in known:
            target = ca_files(world.site).key
            cure = f"mv {path} {target}" if not os.path.exists(target) else f"shred -u {path}"
            yield found("PERM015", path, "is the private key of the CA", cure)


def key_files(world: World) -> Iterator[str]:
    """Yield the private keys that are configured, and those that lie in a certificate directory."""
    named = [world.path(key) for use in world.uses for key in use.keys]
    lying = (path for path in _lying_around(world) if _KEY_MARK in (world.content(path) or b""))
    yield from dict.fromkeys((*filter(os.path.exists, named), *lying))


def describe_open(mode: int) -> str:
    """Return what is too much of a directory's mode."""
    return words(mode, 0o022)


def _configured(world: World) -> Iterator[str]:
    for use in world.uses:
        for path in (*use.certificates, use.ca_file, use.crl_file):
            if path and os.path.exists(world.path(path)):
                yield world.path(path)


def _lying_around(world: World) -> Iterator[str]:
    """Yield the files of the certificate directories; hash links lead to these."""
    for directory in world.own_places:
        for name in world.names(directory):
            path = f"{directory}/{name}"
            if os.path.isfile(path) and not (os.path.islink(path) and is_link_name(name)):
                yield path
