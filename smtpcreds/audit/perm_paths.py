"""PERM: every directory from a credential up to ``/``, once each."""

import os
import stat
from collections.abc import Iterator

from ..files.owner import owner as owner_name
from .finding import Finding, found
from .modes import acl, words
from .perm_accounts import owner_of_accounts, secrets
from .perm_state import CONFIGURATION
from .perm_tls import key_files
from .repairs import close
from .users import above
from .world import SENDMAIL_CF, World


def parents(world: World) -> Iterator[Finding]:
    """Who can change a directory can put another file in the place of each one below it."""
    known = world.owners | owner_of_accounts(world)
    for directory in _directories(world):
        status = os.stat(directory)
        mode = stat.S_IMODE(status.st_mode)
        if directory not in world.own_places:
            yield from _acl(directory)
        if mode & 0o022:
            sticky = ", sticky" if mode & stat.S_ISVTX else ""
            repair = close(directory, 0o022) if directory in _ours(world) else None
            reason = f"{words(mode, 0o022)}{sticky}; Sendmail refuses keys and credentials below it"
            yield found("PERM003", directory, reason, f"chmod go-w {directory}", repair)
        elif status.st_uid not in known:
            reason = f"belongs to {owner_name(status)}, who can put other files there"
            yield found("PERM019", directory, reason, f"chown root {directory}")


def _acl(directory: str) -> Iterator[Finding]:
    """Those of certificate directories are another check, which lets nobody in."""
    if writers := [who for who, rights in acl(directory).items() if rights & 2]:
        reason = f"its ACL lets {', '.join(writers)} change it"
        yield found("PERM009", directory, reason, f"setfacl -b {directory}")


def _directories(world: World) -> Iterator[str]:
    """Yield the directories above what is configured, what lies there, and what is ours; deepest first."""
    named = (world.path(path) for use in world.uses for path in (*use.paths, use.config))
    own = (f"{world.site.state}/any", f"{world.site.certificates}/any", world.path(SENDMAIL_CF))
    read = filter(os.path.exists, map(world.path, CONFIGURATION))
    watched = (*named, *key_files(world), *secrets(world), *own, *read)
    found = dict.fromkeys(directory for path in watched for directory in above(path, world.top))
    yield from sorted(filter(os.path.isdir, found), key=lambda path: (-path.count("/"), path))


def _ours(world: World) -> set[str]:
    return {*world.own_places, world.site.state, world.site.ca_directory}
