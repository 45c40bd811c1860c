"""New secrets that every file format holds without quoting, and what a chosen one must not be."""

import math
import os
from collections.abc import Callable, Iterator
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from ..errors import PasswordRefusedError
from ..lazy import pattern
from ..secret import Secret

if TYPE_CHECKING:
    from ctypes import CDLL


# New secrets that every file format holds without quoting.
#
# Random indices come straight from ``os.urandom``: importing ``secrets`` takes as long as starting Python.

EDGES = ascii_letters + digits
ALPHABET = EDGES + "-_.~"
"""No consumer quotes, escapes or folds these."""

MIN_BITS = 128
MAX_BITS = 4096


def generate(bits: int = 160) -> Secret:
    """Return a random secret with at least ``bits`` of entropy, as short as that allows.

    The first and last characters are letters or digits, so that neither an option parser nor a
    sentence's end misreads it.
    """
    _require(bits)
    inner = math.ceil((bits - 2 * math.log2(len(EDGES))) / math.log2(len(ALPHABET)))
    middle = "".join(_pick(ALPHABET) for _ in range(inner))
    return Secret(_pick(EDGES) + middle + _pick(EDGES))


def generate_words(count: int = 10, separator: str = "-") -> Secret:
    """Return ``count`` words of the EFF long list: 12.9 bits each, for secrets that people type.

    No word of the list begins another one, so the separator takes nothing away.

    Args:
        count: at least 10, which is 129 bits.
        separator: one of ``-``, ``_``, ``.``, ``~``.
    """
    words = _words()
    _require(count * math.log2(len(words)))
    if len(separator) != 1 or separator not in "-_.~":
        raise PasswordRefusedError("generated secret", "the separator of words is one of - _ . ~")
    return Secret(separator.join(_pick(words) for _ in range(count)))


def _require(bits: float) -> None:
    if not MIN_BITS <= bits <= MAX_BITS:
        raise PasswordRefusedError(
            "generated secret", f"would have {int(bits)} bits; {MIN_BITS} to {MAX_BITS} are allowed"
        )


def _words() -> list[str]:
    # The data file, not passlib.pwd: that module costs 75 ms and fails to import in passlib 1.7.4.
    from importlib.resources import files

    return (files("passlib") / "_data/wordsets/eff_long.txt").read_text("ascii").split()


def _pick(choices: "str | list[str]") -> str:
    return choices[_below(len(choices))]


def _below(limit: int) -> int:
    """A uniform random number under ``limit`` (at most 65536), by rejection."""
    shift = 16 - (limit - 1).bit_length()
    while (number := int.from_bytes(os.urandom(2), "big") >> shift) >= limit:
        pass
    return number


# Which chosen secrets survive every mechanism, mail program and file format.
#
# Sources: RFC 4013 (SASLprep), which SCRAM and PLAIN clients apply and Cyrus SASL does not; saslpasswd2 reads
# at most 2048 octets; Postfix, Exim and OpenSMTPD lose trailing spaces of their credential files.

MAX_PASSWORD = 2047
"""Octets."""

_SOUND = pattern(rb"[ -~]{0,2046}[!-~]")
"""No reason speaks against these, nearly all; only the others are looked at closely."""
_HINT = "choose another one, or use generate: to have one made"
_CONTROLS = bytes((*range(0x20), 0x7F))
_LINE_BREAKERS = {0: "a NUL", 10: "a line feed", 13: "a carriage return", 9: "a TAB"}


def check_chosen(secret: Secret, subject: str = "password") -> None:
    """Refuse a secret that some consumer would truncate, change or reject.

    Messages say what kind of character offends, and never show the secret or its characters.
    """
    if fault := chosen_fault(secret.reveal()):
        raise PasswordRefusedError(subject, fault, _HINT)


def chosen_fault(value: bytes) -> str | None:
    """Return why :func:`check_chosen` would refuse a secret, without its characters, or None."""
    return None if _SOUND.fullmatch(value) else _octet_fault(value) or text_fault(value)


def _octet_fault(value: bytes) -> str | None:
    if not value:
        return "is empty"
    if len(value) > MAX_PASSWORD:
        return f"has {len(value)} octets; saslpasswd2 and others read at most {MAX_PASSWORD}"
    if len(value.translate(None, _CONTROLS)) != len(value):
        names = (name for octet, name in _LINE_BREAKERS.items() if octet in value)
        return f"contains {next(names, 'a control character')}"
    return "ends in a space, which several mail programs drop" if value.endswith(b" ") else None


def text_fault(value: bytes) -> str | None:
    """Return why mechanisms that apply SASLprep would use another secret or none, or None."""
    if value.isascii():
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return _saslprep_fault(text)


def _saslprep_fault(text: str) -> str | None:
    from passlib.utils import saslprep

    try:
        prepared = saslprep(text)
    except ValueError:
        return f"is refused by SASLprep (RFC 4013): it has {_offence(text)}"
    if prepared == text:
        return None
    return f"would be changed by SASLprep (RFC 4013), which {_change(text)}; not every program applies it"


def _offence(text: str) -> str:
    import stringprep

    table = (
        (stringprep.in_table_a1, "a character unknown to Unicode 3.2, as emoji are"),
        (stringprep.in_table_c21_c22, "a control character"),
        (stringprep.in_table_c3, "a private-use character"),
        (stringprep.in_table_d1, "right-to-left text mixed with other characters"),
    )
    found = (name for is_in, name in table if any(map(is_in, text)))
    return next(found, "a character that is not plain text")


def _change(text: str) -> str:
    import stringprep

    if any(map(stringprep.in_table_b1, text)):
        return "drops an invisible character of it, such as a soft hyphen"
    if any(map(stringprep.in_table_c12, text)):
        return "turns an unusual space of it into a plain one"
    return "replaces a character of it by its normal form (NFKC)"


# A relay account must share neither its name nor its password with a login of this host.

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
