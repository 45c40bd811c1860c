"""Chosen secrets that fall to a few guesses: short ones, the account's own name, the first of every list."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import itemgetter

from ..lazy import pattern

MIN_LENGTH = 8
"""Octets; NIST SP 800-63B section 5.1.1.2 asks for eight characters of a chosen secret."""
MIN_DIGITS = 12
"""Octets of a secret of digits alone."""
MIN_DIFFERENT = 4
_FIRST = frozenset(
    b"""
    abcabc abcd abcdef abcdefg abcdefgh access admin administrator asdfasdf asdfghjkl azerty backup
    baseball batman bienvenue changeit changeme changethis company computer contrasena
    correcthorsebatterystaple default demo dovecot dragon email example exim foobar foobarbaz football
    geheim guest hallo haslo hello heslo iloveyou internet kennwort letmein letmeinnow login logon
    lozinka mail mailer mailhub mailrelay mailserver master monitor monkey motdepasse mysecret none
    nopass nopassword null office open opensesame parola parole pass passphrase passw passwd password
    passwort postfix postmaster princess printer qazwsx qazwsxedc qwerty qwertyui qwertyuiop qwertz relay
    root sample scanner secret sendmail senha server sesame shadow smarthost smtp starwars sunshine
    superman supersecret superuser temp temporary test tester testing toor topsecret trustno unknown user
    username wachtwoord welcome whatever willkommen zxcvbnm
    """.split()
)
_AROUND = b"0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "
_LEET = bytes.maketrans(b"0134578@$!", b"oleastbasi")


def weakness(secret: bytes, user: str, realm: str) -> str | None:
    """Return why a chosen secret of ``user@realm`` is soon guessed, without a character of it, or None."""
    if len(secret) < MIN_LENGTH:
        return f"has under {MIN_LENGTH} characters"
    if len(set(secret)) < MIN_DIFFERENT:
        return "repeats a few characters"
    if secret.isdigit() and len(secret) < MIN_DIGITS:
        return f"is of digits alone, and of under {MIN_DIGITS}"
    forms = _forms(secret)
    if not _FIRST.isdisjoint(forms):
        return "is among the first passwords that attackers try"
    return None if forms.isdisjoint(_names(user, realm)) else "is the account's own name, or little more"


def may_be_weak(secrets: Sequence[bytes], users: Sequence[str], realms: Iterable[str]) -> bool:
    """Tell whether :func:`weakness` may find one of many secrets weak; False is certain.

    A form of a secret that is a name has the same letters as that name, so letters alone are compared; one
    with ``@`` before the realm has the realm in it.

    Args:
        secrets: printable ASCII, at least MIN_LENGTH octets each.
        users: ASCII names; each secret is compared with all.
        realms: likewise.
    """
    few = min(map(len, map(set, map(itemgetter(slice(MIN_LENGTH)), secrets)))) < MIN_DIFFERENT
    if few or any(map(bytes.isdigit, secrets)):
        return True
    text = b"\n".join(secrets).lower()
    bare = b"\n".join(map(bytes.strip, text.split(b"\n"), repeat(_AROUND)))
    of_realms = {name for realm in realms for name in _of_realm(realm)}
    names = _letters_of("\n".join(users).encode().lower())
    letters = {*_letters_of(b"\n".join(of_realms)), *names} | _FIRST
    as_letters = (text.translate(_LEET), bare.translate(_LEET))
    if not all(letters.isdisjoint(_letters_of(some)) for some in (text, *as_letters)):
        return True
    lines = (text, text.translate(None, _AROUND), *as_letters)
    shortest = [name for name in of_realms if not any(other in name for other in of_realms - {name})]
    return any(name in some for name in shortest for some in lines)


def _letters_of(lines: bytes) -> list[bytes]:
    return lines.translate(None, _AROUND).split(b"\n")


def _forms(secret: bytes) -> set[bytes]:
    """Return what a secret is with and without digits and marks, and with letters for digits."""
    text, letters = _plain(secret)
    bare = text.strip(_AROUND)
    return {text, bare, letters, text.translate(_LEET), bare.translate(_LEET)}


def _names(user: str, realm: str) -> list[bytes]:
    """Return the user, ``user@realm``, the realm and its first label, each as :func:`_plain` does."""
    text, letters = _plain(user.encode(errors="surrogateescape"))
    of_realm = _of_realm(realm)
    whole = (text + b"@" + of_realm[0], letters + of_realm[1])
    return [name for name in (text, letters, *whole, *of_realm) if name]


@lru_cache(256)
def _of_realm(realm: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Return a realm's plain texts; realms come again and again."""
    labels = (realm, realm.partition(".")[0])
    whole, first = (_plain(text.encode(errors="surrogateescape")) for text in labels)
    return *whole, *first


def _plain(text: bytes) -> tuple[bytes, bytes]:
    """Return a text in lower case, and its letters alone."""
    kept = "surrogateescape"
    lower = text.lower() if text.isascii() else text.decode(errors=kept).casefold().encode(errors=kept)
    return lower, lower.translate(None, _AROUND)


# Text that is a hash, and would be taken for the password itself.

_SCHEME = pattern(
    rb"\{(S?SHA(?:256|384|512)?|S?MD5|(?:MD5|SHA256|SHA512|BLF|DES)-CRYPT|CRYPT|ARGON2ID?|PBKDF2|LDAP-MD5|"
    rb"PLAIN-MD[45]|NTLM|LANMAN|(?:CRAM|HMAC|DIGEST)-MD5|SCRAM-SHA-[0-9]+)(?:\.[A-Z0-9]+)?\}.",
    re.IGNORECASE | re.DOTALL,
)
_CRYPT = (
    (rb"\$(1|apr1)\$[^$]{0,8}\$[./0-9A-Za-z]{22}", "MD5-CRYPT"),
    (rb"\$2[abxy]?\$[0-9]{2}\$[./0-9A-Za-z]{53}", "bcrypt"),
    (rb"\$5\$.+\$[./0-9A-Za-z]{43}", "SHA256-CRYPT"),
    (rb"\$6\$.+\$[./0-9A-Za-z]{86}", "SHA512-CRYPT"),
    (rb"\$(7|y|gy|sm3y)\$.+\$.+", "yescrypt or scrypt"),
    (rb"\$sm3\$.+\$[./0-9A-Za-z]{43}", "SM3-CRYPT"),
    (rb"\$sha1\$[0-9]+\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{28}", "SHA1-CRYPT"),
    (rb"\$md5[,$].+\$[./0-9A-Za-z]{22}", "SunMD5"),
    (rb"\$3\$\$[0-9a-f]{32}", "NT"),
    (rb"\$argon2(i|d|id)\$.+", "Argon2"),
    (rb"\$[PH]\$[./0-9A-Za-z]{31}", "phpass"),
    (rb"\$?pbkdf2[-_]?\w*\$.+\$.+", "PBKDF2"),
    (rb"\*[0-9A-F]{40}", "MySQL's PASSWORD()"),
)


def hash_kind(value: bytes) -> str | None:
    """Return which hash a value plainly is, as files hold them in the place of passwords, or None."""
    if not value.startswith((b"$", b"{", b"*", b"pbkdf2")):
        return None
    if found := _SCHEME.match(value):
        return found[1].decode().upper()
    return next((name for form, name in _CRYPT if re.fullmatch(form, value)), None)
