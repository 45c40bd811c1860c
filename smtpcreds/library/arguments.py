"""From what a method is given to what the verbs take."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..ca.reload import Hook
    from ..ca.token import TokenKey

FilePath = str | os.PathLike[str]
"""Relative to the working directory; never below the root of a site."""


def absolute(path: FilePath) -> str:
    """Return a path as the verbs take it."""
    return os.path.abspath(path)


def absolute_if_any(path: FilePath | None) -> str | None:
    """Return a path as the verbs take it; None stays."""
    return None if path is None else os.path.abspath(path)


def hook_of(command: str | None) -> "Hook | None":
    """Parse the command that tells a mail server of its new files, before anything is done."""
    from ..ca.reload import Hook

    return Hook.parse(command) if command else None


def token_key(uri: str | None, *, exists: bool) -> "TokenKey | None":
    """Parse a PKCS #11 URI; ``exists`` takes the key that is there instead of making one."""
    from ..ca.token import TokenKey
    from ..pkcs11 import KeyUri

    return TokenKey(KeyUri.parse(uri), exists) if uri else None
