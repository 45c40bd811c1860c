"""nullmailer on a client host: /etc/nullmailer/remotes, read by nullmailer-send as the user mail.

A line is split into words as by a shell (argparse.cc of nullmailer 2.2), but for backslashes, which it
misreads. Between single quotes everything stands for itself; a single quote stands between double ones.

When Debian's package is upgraded or reconfigured, its scripts put the file through debconf and take it apart:
they cut at colons, drop brackets, and make one space of several blanks.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from ..errors import DamagedFileError, UsageError
from ..lazy import pattern
from ..model import Credential
from ..names import PLAINTEXT
from ..secret import Secret
from ..systems import DEBIAN
from .copies import Copies
from .field import Field
from .program import Content, Facts, File, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "nullmailer"
TITLE = "nullmailer 2, which sends what local programs queue"
ROLE = Role.CLIENT
FAMILY = "nullmailer"
NEEDS = frozenset({Need.PAIR, Need.MATERIAL, Need.CREDENTIAL, Need.REVOCATIONS})
VARIANTS: frozenset[str] = frozenset()
PATH = f"{DEBIAN.nullmailer_directory}/remotes"
MECHANISMS: tuple[str, ...] = PLAINTEXT
SECRET_FILES: tuple[str, ...] = (PATH,)
COPIES = Copies(f"{DEBIAN.nullmailer_directory}/smtpcreds", DEBIAN.nullmailer_user)

_UNSAFE = {
    b"\\": "a backslash",
    b":": "a colon",
    b"[": "a bracket",
    b"]": "a bracket",
    b"\t": "a TAB",
    b"  ": "two spaces in a row",
}
_FIELD = Field(PATH, 1024, _UNSAFE)
_WORD = pattern(rb"(?:'[^']*'|\"[^\"\\]*\"|[^\s'\"\\])+")
_LINE = pattern(rb"%b(?:\s+%b)*" % (_WORD.pattern, _WORD.pattern))
_PART = pattern(rb"'([^']*)'|\"([^\"]*)\"|([^'\"])")


_SAMPLE = pattern(rb"(?:mail(?:\.[a-z0-9.-]+)?(?: smtp)?)?\n?", re.IGNORECASE)


def is_sample(content: bytes) -> bool:
    """Tell whether the file is what Debian's package writes where nobody answered its question.

    Source: nullmailer.config and .postinst of 2.2: ``mail.`` and the domain, without a secret.
    """
    return bool(_SAMPLE.fullmatch(content))


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the one line, and copies of the certificates for the user mail."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    usable(NAME, MECHANISMS, facts.mechanisms)
    group = facts.system.nullmailer_user
    remotes = File(PATH, _remotes(facts, facts.credential), 0o640, group=group)
    return (replace(COPIES, group=group).key_file(facts), remotes, *COPIES.public_files(facts))


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files as nullmailer does; of the remotes, the first."""
    if path in COPIES.paths:
        return COPIES.parse(path, content)
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        words = [_unquoted(word) for word in _WORD.findall(text)] if _LINE.fullmatch(text) else []
        if words[1:2] != [b"smtp"]:
            raise DamagedFileError(path, f"line {number} is not 'host smtp option ...'")
        found = found or {"host": words[0].decode(errors="replace"), **_named(words[2:])}
    if not found:
        raise DamagedFileError(path, "has no lines; nullmailer sends nothing")
    return found


def work(_: Facts) -> Work:
    """Return nothing: the file is read again for each run of the queue."""
    return Work()


def _remotes(facts: Facts, credential: Credential) -> Content:
    login, secret = _FIELD.login(credential), _FIELD.secret(credential).reveal()
    options = (
        "smtp",
        f"port={facts.port}",
        "tls" if facts.is_tls_from_the_start else "starttls",
        f"x509cafile={COPIES.bundle}",
        *(f"{name}={path}" for name, path in COPIES.crl_setting(facts, "x509crlfile").items()),
        f"x509certfile={COPIES.certificate}",
        f"x509keyfile={COPIES.key}",
    )
    head = f"{facts.hub} {' '.join(options)} user=".encode()
    return head + _quoted(login) + b" pass=", Secret(_quoted(secret)), b"\n"


def _quoted(value: bytes) -> bytes:
    return b"'" + value.replace(b"'", b"'\"'\"'") + b"'"


def _unquoted(word: bytes) -> bytes:
    return b"".join(b"".join(parts) for parts in _PART.findall(word))


def _named(options: list[bytes]) -> dict[str, str | Secret]:
    found: dict[str, str | Secret] = {}
    for option in options:
        name, _, value = option.removeprefix(b"--").partition(b"=")
        key = {b"user": "authcid", b"pass": "secret"}.get(name, name.decode(errors="replace"))
        found[key] = Secret(value) if key == "secret" else value.decode(errors="replace")
    return found
