"""OpenSMTPD on a client host, with passwords only.

The 6.8 of Debian 12 can't use a key with its OpenSSL 3, so there is no client certificate. A value of the
table of secrets goes up to the end of the line and loses blanks there; it is told to the hub by PLAIN or
LOGIN, in base64 of 2047 octets (lka.c). Which CA the hub's certificate must come from is an option of
``relay`` that smtpd.conf(5) does not mention (parse.y); without it only the system's bundle counts.
"""

import re
from collections.abc import Mapping

from ..errors import DamagedFileError, UsageError
from ..lazy import pattern
from ..names import PLAINTEXT
from ..secret import Secret
from ..systems import DEBIAN
from .copies import Copies, material
from .field import BLANKS, Field
from .program import Content, Facts, File, Include, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "opensmtpd-client"
TITLE = "OpenSMTPD 6.8, relaying through the hub"
ROLE = Role.CLIENT
FAMILY = "opensmtpd"
NEEDS = frozenset({Need.PAIR, Need.MATERIAL, Need.CREDENTIAL})
VARIANTS: frozenset[str] = frozenset()
DIRECTORY = "/etc/smtpcreds/opensmtpd"
SECRETS = f"{DIRECTORY}/secrets"
FRAGMENT = f"{DIRECTORY}/client.conf"
BUNDLE = f"{DIRECTORY}/cacert.pem"
MECHANISMS: tuple[str, ...] = PLAINTEXT
SECRET_FILES: tuple[str, ...] = (SECRETS,)
CONFIGURATION = DEBIAN.opensmtpd_conf

LABEL = "smtpcreds"
MAX_PACKED = 2047 // 4 * 3
_LOGIN = Field("the table of secrets", 255, {b":": "a colon"})
_TABLE = pattern(rb"(\S+)[ \t]+([^:]+):(.*)", re.DOTALL)
_SETTING = pattern(r'(ca|table|action|match)\b[ "]*([^"]*?)"? (.+)')


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the table of secrets, the fragment, and the CA that it names."""
    usable(NAME, MECHANISMS, facts.mechanisms)
    return (
        File(SECRETS, _secrets(facts), 0o640, group=DEBIAN.opensmtpd_group),
        File(FRAGMENT, (_fragment(facts).encode(),)),
        File(BUNDLE, (material(facts).bundle,)),
    )


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files as OpenSMTPD does."""
    if path == BUNDLE:
        return Copies(DIRECTORY, "root").parse(path, content)
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        if path == SECRETS:
            found.update(_secret(line.strip(), path, number))
        elif setting := _SETTING.fullmatch(line.decode(errors="replace")):
            found[f"{setting[1]} {setting[2]}"] = setting[3]
        else:
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
    return found


def work(facts: Facts) -> Work:
    """Return the line of smtpd.conf, and the restart; smtpd has no other way to read it again."""
    where = 'above the line "match from local for any", which it takes the place of'
    above = ("match from local for any", "match for any", "match from any for any")
    include = Include(CONFIGURATION, (f'include "{FRAGMENT}"',), where, above)
    return Work((include,), commands=("smtpd -n", *facts.system.to_restart_opensmtpd()), untraced=True)


def _fragment(facts: Facts) -> str:
    scheme = "smtps" if facts.is_tls_from_the_start else "smtp+tls"
    relay = f'relay host "{scheme}://{LABEL}@{facts.hub}:{facts.port}" auth <{LABEL}> ca "{LABEL}"'
    return (
        f"# {TITLE}; written by smtpcreds, do not edit\n"
        f'ca "{LABEL}" cert "{BUNDLE}"\n'
        f'table "{LABEL}" file:{SECRETS}\n'
        f'action "{LABEL}" {relay}\n'
        f'match from local for any action "{LABEL}"\n'
    )


def _secrets(facts: Facts) -> Content:
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    login = _LOGIN.login(facts.credential)
    blanks = {**BLANKS, b"\v": "a vertical TAB", b"\f": "a form feed"}
    field = Field("the table of secrets", MAX_PACKED - 2 - len(login), last=blanks)
    return f"{LABEL} ".encode() + login + b":", field.secret(facts.credential), b"\n"


def _secret(line: bytes, path: str, number: int) -> Mapping[str, str | Secret]:
    entry = _TABLE.fullmatch(line)
    if entry is None:
        raise DamagedFileError(path, f"line {number} is not 'label user:password'")
    return {
        "label": entry[1].decode(errors="replace"),
        "authcid": entry[2].decode(errors="replace"),
        "secret": Secret(entry[3]),
    }
