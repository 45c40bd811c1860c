"""The file of Cyrus SASL as one of a mail program's files."""

from collections.abc import Mapping

from ..errors import UsageError
from ..secret import Secret
from . import sasl_conf
from .port import Facts, File

_ROLES = "sql_passwd"


def render(program: str, facts: Facts, group: str = "root") -> File:
    """Return the file of a program of ``sasl_conf.PROGRAMS``; closed where it holds a role's password.

    Args:
        program: its name in that table.
        facts: with a backend.
        group: of the user that the program runs as, which must be able to read the file.
    """
    path = sasl_conf.PROGRAMS[program].conf
    if facts.backend is None:
        raise UsageError(program, "needs to know where the accounts are")
    text = sasl_conf.render(facts.backend, facts.mechanisms)
    head, key, rest = text.partition(f"\n{_ROLES}: ".encode())
    if not key:
        return File(path, (text,))
    password, end, tail = rest.partition(b"\n")
    mode = 0o600 if group == "root" else 0o640
    return File(path, (head + key, Secret(password), end + tail), mode, group=group)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read it back; the password of a role is a secret.

    Raises:
        DamagedFileError: as :func:`smtpcreds.mta.sasl_conf.parse`.
    """
    found = sasl_conf.parse(content, path)
    shown = {name: value.decode(errors="replace") for name, value in found.items()}
    return {name: Secret(found[name]) if name == _ROLES else value for name, value in shown.items()}
