"""Chosen secrets that fall to a few guesses: short ones, the account's own name, the first of every list."""

import re
from collections.abc import Iterable

MIN_LENGTH = 8
"""Octets; NIST SP 800-63B section 5.1.1.2 asks for eight characters of a chosen secret."""
MIN_DIGITS = 12
"""Octets of a secret of digits alone."""
MIN_DIFFERENT = 4
_FIRST = frozenset(
    """
    password passw passwd pass passphrase passwort kennwort motdepasse contrasena senha wachtwoord haslo heslo
    parola parole lozinka geheim secret mysecret topsecret supersecret changeme changeit changethis letmein
    letmeinnow default admin administrator root toor superuser guest demo test testing tester temp temporary
    user username welcome willkommen bienvenue hello hallo login logon access open sesame opensesame master
    qwerty qwertz azerty qwertyui qwertyuiop asdfghjkl asdfasdf zxcvbnm qazwsx qazwsxedc iloveyou monkey
    smarthost
    dragon football baseball sunshine princess shadow superman batman trustno starwars whatever
    computer internet
    server mail mailer email smtp postmaster mailserver sendmail postfix exim dovecot relay mailrelay mailhub
    company office scanner printer monitor backup example sample foobar foobarbaz abcd abcdef
    abcdefg abcdefgh abcabc none null nopassword nopass unknown trustnoone correcthorsebatterystaple
    """.split()  # noqa: SIM905 - a list of a hundred literals is not read
)
_DIGITS_AROUND = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "
_LEET = str.maketrans("0134578@$!", "oleastbasi")


def weakness(secret: bytes, names: Iterable[str] = ()) -> str | None:
    """Return why a chosen secret is soon guessed, without a character of it, or None.

    Args:
        secret: its octets.
        names: of the account, its realm and the like.
    """
    if len(secret) < MIN_LENGTH:
        return f"has under {MIN_LENGTH} characters"
    if len(set(secret)) < MIN_DIFFERENT:
        return "repeats a few characters"
    if secret.isdigit() and len(secret) < MIN_DIGITS:
        return f"is of digits alone, and of under {MIN_DIGITS}"
    words = _words(secret.decode(errors="replace").casefold())
    if words & _FIRST:
        return "is among the first that a guesser tries"
    own = {name.casefold() for name in names} | {_letters(name.casefold()) for name in names}
    return "is the account's own name, or little more" if words & own - {""} else None


def _words(text: str) -> set[str]:
    """Return what a secret is with and without digits and marks around it, and with letters for digits."""
    bare = text.strip(_DIGITS_AROUND)
    return {text, bare, _letters(text), text.translate(_LEET), bare.translate(_LEET)} - {""}


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


# Text that is a hash, and would be taken for the password itself.

_SCHEME = re.compile(
    rb"\{(S?SHA(?:256|384|512)?|S?MD5|(?:MD5|SHA256|SHA512|BLF|DES)-CRYPT|CRYPT|ARGON2ID?|PBKDF2|LDAP-MD5|"
    rb"PLAIN-MD[45]|NTLM|LANMAN|(?:CRAM|HMAC|DIGEST)-MD5|SCRAM-SHA-[0-9]+)(?:\.[A-Z0-9]+)?\}.",
    re.IGNORECASE | re.DOTALL,
)
_CRYPT = (
    (rb"\$(1|apr1)\$[^$]{0,8}\$[./0-9A-Za-z]{22}", "MD5-CRYPT"),
    (rb"\$2[abxy]?\$[0-9]{2}\$[./0-9A-Za-z]{53}", "bcrypt"),
    (rb"\$5\$.+\$[./0-9A-Za-z]{43}", "SHA256-CRYPT"),
    (rb"\$6\$.+\$[./0-9A-Za-z]{86}", "SHA512-CRYPT"),
    (rb"\$(7|y|gy)\$.+\$.+", "yescrypt or scrypt"),
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
