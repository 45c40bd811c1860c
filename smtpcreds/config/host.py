"""What this host is called, asked as sendmail and Debian's tools ask."""

import os
from collections.abc import Sequence

from ..errors import NameRefusedError
from ..model import Root
from ..names import is_qualified, parse_host


def host_name(root: Root) -> str:
    """Return the host's full name where it can be found out, else its short one.

    Under another root its /etc/hostname is believed; on the host itself the canonical name that
    sendmail takes for ``$j``.
    """
    name = _first_line(root, "/etc/hostname") if not root.is_host else ""
    return _valid(name) or _valid(_canonical_name()) or "localhost"


def host_domain(root: Root) -> str:
    """Return the domain of this host from /etc/mailname, else from its full name; empty if there is none."""
    own = host_name(root)
    mail_name = _valid(_first_line(root, "/etc/mailname"))
    if is_qualified(mail_name):
        first, _, rest = mail_name.partition(".")
        return rest if first == own.partition(".")[0] and is_qualified(rest) else mail_name
    return own.partition(".")[2]


def first_existing(root: Root, candidates: Sequence[str]) -> str:
    """Return the first of the host's default paths that exists under the root, else the first."""
    return next((path for path in candidates if os.path.exists(root.path(path))), candidates[0])


def _canonical_name() -> str:
    import socket

    name = socket.gethostname()
    if is_qualified(name):
        return name
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except OSError:
        return name
    return found[0][3] or name


def _first_line(root: Root, path: str) -> str:
    try:
        with open(root.path(path), encoding="utf-8", errors="replace") as file:
            return file.readline(300).strip()
    except OSError:
        return ""


def _valid(name: str) -> str:
    try:
        return parse_host(name)
    except NameRefusedError:
        return ""
