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
    directory = jail + run
    return (Reader(f"{directory}/mux", user, absent=facts.system.to_start_saslauthd(directory)),)
