"""What this host is called, asked as sendmail and Debian's tools ask."""

import os
from collections.abc import Callable

from .errors import NameRefusedError
from .model import Root
from .names import is_qualified, parse_host

_MOST = 1024 * 1024
"""Characters of /etc/hosts that are read."""


def host_name(root: Root, domain: str = "") -> str:
    """Return the host's full name where it can be found out, else its short one.

    Under another root its /etc/hostname is believed; on the host itself the canonical name that
    sendmail takes for ``$j``: the kernel's name, and where that is short what /etc/hosts says.

    Args:
        root: whose name it is.
        domain: the configured one, which completes a short name; without it a name service is asked, which
            takes seconds where it does not answer.
    """
    name = _read(root, "/etc/hostname").partition("\n")[0] if not root.is_host else ""
    return _valid(name) or _valid(_canonical_name(domain)) or "localhost"


def host_domain(root: Root, name: Callable[[], str]) -> str:
    """Return the domain of this host from /etc/mailname, else from its full name; empty if there is none.

    Args:
        root: whose domain it is.
        name: gives the full name; asked where /etc/mailname does not tell the domain.
    """
    mail_name = _valid(_read(root, "/etc/mailname").partition("\n")[0])
    if not is_qualified(mail_name):
        return name().partition(".")[2]
    first, _, rest = mail_name.partition(".")
    short = name() if not root.is_host else os.uname().nodename
    return rest if first == short.partition(".")[0] and is_qualified(rest) else mail_name


def _canonical_name(domain: str) -> str:
    name = os.uname().nodename
    if is_qualified(name):
        return name
    if known := _in_hosts(name):
        return known
    return f"{name}.{domain}" if domain else _asked(name)


def _in_hosts(name: str) -> str:
    """Return the canonical name in /etc/hosts, which stands first in its line (hosts(5))."""
    for line in _read(Root(), "/etc/hosts").splitlines():
        names = line.partition("#")[0].split()[1:]
        if name in names:
            return names[0]
    return ""


def _asked(name: str) -> str:
    import socket

    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except OSError:
        return name
    return found[0][3] or name


def _read(root: Root, path: str) -> str:
    try:
        with open(root.path(path), encoding="utf-8", errors="replace") as file:
            return file.read(_MOST)
    except OSError:
        return ""


def _valid(name: str) -> str:
    try:
        return parse_host(name.strip())
    except NameRefusedError:
        return ""
