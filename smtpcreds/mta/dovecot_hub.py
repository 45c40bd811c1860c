"""Dovecot as the SASL server of Postfix or Exim: it checks the accounts, they relay.

Each mechanism that is offered can be served from what the passwd-file holds. Dovecot does not see whether the
mail server's session is in TLS, so it is the mail server that lets PLAIN and LOGIN wait for it.
"""

from collections.abc import Iterator, Mapping

from ..errors import DamagedFileError, UsageError
from ..lazy import pattern
from ..secret import Secret
from ..systems import DEBIAN
from . import dovecot
from .program import Facts, File, Include, Need, Rendered, Role, Work
from .sasl_conf import Saslauthd, usable

NAME = "dovecot-hub"
TITLE = "Dovecot 2.3 or 2.4, checking accounts for Postfix or Exim"
ROLE = Role.HUB
FAMILY = "dovecot"
NEEDS = frozenset({Need.VERIFIERS, Need.MECHANISMS})
EXIM = "exim"
"""The mail server is Exim, not Postfix."""
VARIANTS = frozenset({EXIM, *dovecot.SCHEMES})
MECHANISMS: tuple[str, ...] = dovecot.MECHANISMS[dovecot.SCHEMES["clear"]]
"""Of the scheme that serves most."""
SECRET_FILES: tuple[str, ...] = ()

GROUP = DEBIAN.dovecot_group
FRAGMENT = f"{DEBIAN.dovecot_directory}/smtpcreds-auth.conf"
CONFIGURATION = f"{DEBIAN.dovecot_directory}/local.conf"

_LISTENERS = {
    False: (f"{DEBIAN.postfix_queue}/private/auth", DEBIAN.postfix_user),
    True: (f"{DEBIAN.exim_spool}/dovecot.auth-client", DEBIAN.exim_user),
}
_OLD = (
    "disable_plaintext_auth = yes",
    "passdb {",
    "  driver = passwd-file",
    f"  args = {dovecot.PATH}",
    "}",
)
PASSDB = "smtpcreds"
"""Its name in 2.4, where blocks of one name are one."""
_NEW = (
    "auth_allow_cleartext = no",
    f"passdb {PASSDB} {{",
    "  driver = passwd-file",
    f"  passwd_file_path = {dovecot.PATH}",
    "}",
)
_BLOCK = pattern(r"\s*(\w+(?: \S+)?) \{")
_SETTING = pattern(r"\s*(\w+) = (.+)")


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the passwd-file and the fragment."""
    if isinstance(facts.backend, Saslauthd):
        raise UsageError("--saslauthd", "is for Cyrus SASL; Dovecot asks PAM by itself")
    accounts = [held.account for held in facts.accounts]
    users = dovecot.pieces(accounts, facts.verifiers, facts.realm)
    return (
        File(dovecot.PATH, users, 0o640, group=GROUP),
        File(FRAGMENT, (_fragment(facts),)),
    )


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files; settings in blocks are ``block/setting``."""
    if path == dovecot.PATH:
        return dovecot.parse(content, path)
    return dict(_settings(content, path))


def work(facts: Facts) -> Work:  # noqa: ARG001
    """Return the line to add, and the commands. Dovecot sees a new passwd-file by itself."""
    include = Include(CONFIGURATION, (f"!include {FRAGMENT}",))
    return Work((include,), commands=("doveconf > /dev/null", "doveadm reload"), untraced=True)


def _fragment(facts: Facts) -> bytes:
    socket, user = _LISTENERS[EXIM in facts.variants]
    lines = [
        f"# {TITLE}; written by smtpcreds, do not edit",
        f"auth_mechanisms = {' '.join(_mechanisms(facts)).lower()}",
        *(_NEW if facts.dovecot >= dovecot.NEW else _OLD),
        "service auth {",
        f"  unix_listener {socket} {{",
        "    mode = 0660",
        f"    user = {user}",
        f"    group = {user}",
        "  }",
        "}",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _mechanisms(facts: Facts) -> tuple[str, ...]:
    """Return those wanted that the scheme can serve."""
    scheme = dovecot.scheme_of(facts.variants)
    known = dovecot.MECHANISMS[scheme]
    chosen = "".join(f" (--with {name})" for name, each in dovecot.SCHEMES.items() if each == scheme)
    return usable(f"Dovecot with passwords stored as {scheme}{chosen}", known, facts.mechanisms)


def offered(fragment: str) -> tuple[str, ...]:
    """Return the mechanisms of a fragment that was installed; none where there is none."""
    line = next((line for line in fragment.splitlines() if line.startswith("auth_mechanisms = ")), "")
    return tuple(line.upper().split()[2:])


def _settings(content: bytes, path: str) -> Iterator[tuple[str, str]]:
    blocks: list[str] = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if setting := _SETTING.fullmatch(line):
            yield "/".join((*blocks, setting[1])), setting[2]
        elif block := _BLOCK.fullmatch(line):
            blocks.append(block[1])
        elif blocks and line.strip() == "}":
            blocks.pop()
        elif line.strip() and not line.startswith("#"):
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
    if blocks:
        raise DamagedFileError(path, f"ends inside {blocks[-1]}, whose last lines are missing")
