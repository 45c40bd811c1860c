"""The file system as this program wants it: private, atomic, durable, guarded."""

from .explain import explained
from .flush import flush_directories
from .guard import check_directory, check_parents, check_private, check_target, read_private, read_public
from .lock import exclusive, flock
from .trail import actor, announce
from .write import (
    ensure_directory,
    move,
    remove,
    remove_directory,
    replace_directory,
    sweep,
    temporaries,
    tree,
    write_all,
    write_directory,
    write_new,
)

__all__ = [
    "actor",
    "announce",
    "check_directory",
    "check_parents",
    "check_private",
    "check_target",
    "ensure_directory",
    "exclusive",
    "explained",
    "flock",
    "flush_directories",
    "move",
    "read_private",
    "read_public",
    "remove",
    "remove_directory",
    "replace_directory",
    "sweep",
    "temporaries",
    "tree",
    "write_all",
    "write_directory",
    "write_new",
]
