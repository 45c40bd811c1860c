"""Whom files may belong to."""

import os

from ..files.guard import MAIL_OWNERS
from .users import user_of
from .world import World


def owners(world: World, *more: str) -> frozenset[int]:
    """Return the numbers of root, of who runs the audit, of Sendmail's own users, and of further ones."""
    names = [*MAIL_OWNERS, *more]
    if world.sendmail:
        names += [world.sendmail.option(name).partition(":")[0] for name in ("TrustedUser", "RunAsUser")]
    found = (user_of(world.site.root, name) for name in names if name)
    return frozenset({0, os.geteuid(), *(user.uid for user in found if user)})
