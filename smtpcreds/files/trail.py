"""Deeds in syslog's authpriv, where auditors look; no secrets."""

import os
from collections.abc import Iterable

from ..errors import shown
from .disk import disk


def actor() -> str:
    """Return who acts: behind sudo the person, else the name of the running user."""
    import pwd

    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def announce(what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Log a deed, as ``sasl add``, to each subject with its detail, which may be empty."""
    if disk().is_preview:
        return
    import syslog

    who = actor()
    syslog.openlog("smtpcreds", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    for subject, detail in deeds:
        syslog.syslog(syslog.LOG_NOTICE, shown(f"{what} {subject} by {who}{detail and f': {detail}'}"))
