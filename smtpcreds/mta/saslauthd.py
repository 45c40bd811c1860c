"""saslauthd, which a mail server with Cyrus SASL asks about login accounts through a socket."""

from .program import Facts, Reader
from .sasl_conf import Backend, Saslauthd


def sockets(backend: Backend | None, user: str, facts: Facts, jail: str = "") -> tuple[Reader, ...]:
    """Return the socket, if login accounts are asked about and it is known where a system has it.

    Args:
        backend: of the mail server.
        user: that it runs as.
        facts: of the hub.
        jail: the directory that it runs chrooted in; or empty.
    """
    run = facts.system.saslauthd_run
    if not run or not isinstance(backend, Saslauthd):
        return ()
    return (Reader(f"{jail}{run}/mux", user, is_saslauthd=True),)


def directory_told(settings: str) -> str:
    """Return the directory that the settings of its service name last (``-m``), or nothing.

    Args:
        settings: of the service, as Debian's: lines for a shell.
    """
    told = ""
    for line in settings.splitlines():
        name, _, value = line.strip().partition("=")
        words = value.strip("\"'").split() if name == "OPTIONS" else []
        if "-m" in words[:-1]:
            told = words[words.index("-m") + 1]
    return told
