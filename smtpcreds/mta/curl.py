"""curl as a sender for scripts and tests: a file for its option -K.

Between double quotes curl reads a backslash and the character behind it as one; ``t``, ``n``, ``r`` and ``v``
mean control characters (tool_parsecfg.c of curl 7.88). ``capath`` is given because curl would else add the
system's certificates to those of ``cacert``; ``crlf`` because Sendmail refuses messages with bare LF.
"""

import re
from collections.abc import Mapping

from ..errors import DamagedFileError, UsageError
from ..lazy import pattern
from ..secret import Secret
from .field import Field
from .program import Facts, File, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "curl"
TITLE = "curl, to send a message from a script or by hand"
ROLE = Role.CLIENT
FAMILY = "curl"
NEEDS = frozenset({Need.PAIR, Need.CREDENTIAL, Need.REVOCATIONS, Need.MECHANISMS})
VARIANTS: frozenset[str] = frozenset()
PATH = "/etc/smtpcreds/clients/curl"
SECRET_FILES: tuple[str, ...] = (PATH,)
MECHANISMS: tuple[str, ...] = ("DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")

_LOGIN = Field("the configuration of curl", 255, {b":": "a colon"})
_SECRET = Field("the configuration of curl", 2047)
_TEXT = Field("the configuration of curl", 4096)
_LINE = pattern(rb'([a-z-]+)(?: = "((?:[^"\\]|\\.)*)")?', re.DOTALL)
_ESCAPED = pattern(rb"\\(.)", re.DOTALL)
_MEANT = {b"t": b"\t", b"n": b"\n", b"r": b"\r", b"v": b"\v"}


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the one file."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    head = f"# {TITLE}; written by smtpcreds, do not edit\n".encode()
    lines = b"".join(
        name.encode() + b' = "' + _quoted(_TEXT.text(name, value)) + b'"\n'
        for name, value in _settings(facts).items()
    )
    head += b"ssl-reqd\ncrlf\n" + lines + b'user = "' + _quoted(_LOGIN.login(facts.credential)) + b":"
    secret = Secret(_quoted(_SECRET.secret(facts.credential).reveal()))
    return (File(PATH, (head, secret, b'"\n'), 0o600),)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read the file as curl does."""
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line or line.startswith(b"#"):
            continue
        option = _LINE.fullmatch(line)
        if option is None:
            raise DamagedFileError(path, f"line {number} is not 'option = \"value\"'")
        value = _ESCAPED.sub(lambda match: _MEANT.get(match[1], match[1]), option[2] or b"")
        if option[1] == b"user":
            login, _, secret = value.partition(b":")
            found |= {"authcid": login.decode(errors="replace"), "secret": Secret(secret)}
        else:
            found[option[1].decode()] = value.decode(errors="surrogateescape")
    return found


def work(_: Facts) -> Work:
    """Return how it is called; ``-q`` keeps ``~/.curlrc`` out."""
    return Work(usage=(f"curl -q -K {PATH} --mail-from SENDER --mail-rcpt RECIPIENT --upload-file MESSAGE",))


def _settings(facts: Facts) -> Mapping[str, str]:
    scheme = "smtps" if facts.is_tls_from_the_start else "smtp"
    login = ";".join(f"AUTH={name}" for name in usable(NAME, MECHANISMS, facts.mechanisms))
    return {
        "url": f"{scheme}://{facts.hub}:{facts.port}/{facts.host}",
        "cacert": facts.tls.bundle,
        "capath": facts.tls.directory,
        **({"crlfile": facts.tls.all_crls} if facts.tls.all_crls else {}),
        "cert": facts.tls.certificate,
        "key": facts.tls.key,
        "login-options": login,
    }


def _quoted(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
