"""Which chosen secrets survive every mechanism, mail program and file format.

Sources: RFC 4013 (SASLprep), which SCRAM and PLAIN clients apply and Cyrus SASL does not; saslpasswd2 reads
at most 2048 octets; Postfix, Exim and OpenSMTPD lose trailing spaces of their credential files.
"""

import re

from ..errors import PasswordRefusedError
from ..secret import Secret

MAX_PASSWORD = 2047
"""Octets."""

_SOUND = re.compile(rb"[ -~]{0,2046}[!-~]")
"""No reason speaks against these, nearly all; only the others are looked at closely."""
_HINT = "choose another one, or use generate: to have one made"
_CONTROLS = bytes((*range(0x20), 0x7F))
_LINE_BREAKERS = {0: "a NUL", 10: "a line feed", 13: "a carriage return", 9: "a TAB"}


def check_chosen(secret: Secret, subject: str = "password") -> None:
    """Refuse a secret that some consumer would truncate, change or reject.

    Messages say what kind of character offends, and never show the secret or its characters.

    Raises:
        PasswordRefusedError: empty, too long, not UTF-8, control characters, trailing space,
            or not a fixed point of SASLprep.
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
