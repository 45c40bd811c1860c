"""A relay account must share neither its name nor its password with a login of this host."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..secret import Secret

if TYPE_CHECKING:
    from ctypes import CDLL

_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")
_CRYPT_DATA = 32768
"""sizeof(struct crypt_data) of libxcrypt 4; crypt_rn(3) refuses a smaller one."""


def is_login_account(name: str) -> bool:
    """Tell whether the system knows a login of this name: /etc/passwd, LDAP or whatever NSS asks."""
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def login_password_of(secret: Secret, shadow: str | os.PathLike[str]) -> str | None:
    """Return the name of a login that this chosen secret opens.

    Each hash is tried by the host's own crypt(3), so its methods (yescrypt included) are the ones that logins
    here use, at their price: about 20 ms for each yescrypt hash. Locked and empty passwords are skipped.

    Args:
        secret: as typed; one that holds a NUL opens nothing.
        shadow: file in the format of shadow(5).

    Returns:
        A login's name. None when there is none, when this user may not read ``shadow``, or when
        this host has no libcrypt.
    """
    phrase = secret.reveal()
    if b"\0" in phrase:
        return None
    crypt = _crypt()
    if crypt is None:
        return None
    return next((name for name, stored in _hashes(shadow) if crypt(phrase, stored) == stored), None)


def _hashes(shadow: str | os.PathLike[str]) -> Iterator[tuple[str, bytes]]:
    """Login and hash of each line that has a usable one."""
    try:
        with open(shadow, "rb", opener=_opened) as lines:
            fields = [line.rstrip(b"\n").split(b":") for line in lines]
    except (FileNotFoundError, PermissionError):
        return
    for name, stored, *_ in (line for line in fields if len(line) > 1):
        if stored and not stored.startswith((b"!", b"*")):
            yield os.fsdecode(name), stored


def _opened(path: str, flags: int) -> int:
    """Open without waiting for the writer of a FIFO, which an image may have in the place of a file."""
    return os.open(path, flags | os.O_NONBLOCK)


def _crypt() -> Callable[[bytes, bytes], bytes | None] | None:
    """crypt(phrase, setting) of this host's libxcrypt, which gives None for a setting it does not know."""
    import ctypes

    crypt_rn = _crypt_rn(ctypes.CDLL)
    if crypt_rn is None:
        return None
    crypt_rn.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    crypt_rn.restype = ctypes.c_char_p

    def crypt(phrase: bytes, setting: bytes) -> bytes | None:
        work = ctypes.create_string_buffer(_CRYPT_DATA)
        made: bytes | None = crypt_rn(phrase, setting, work, _CRYPT_DATA)
        ctypes.memset(work, 0, _CRYPT_DATA)
        return made

    return crypt


def _crypt_rn(load: "Callable[[str], CDLL]") -> Any:
    # By name: ctypes.util.find_library forks ldconfig and a compiler.
    for name in _LIBRARIES:
        try:
            return load(name).crypt_rn
        except (OSError, AttributeError):
            continue
    return None
