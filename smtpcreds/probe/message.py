"""A marked message, sent by the best login that worked."""

import secrets
from datetime import datetime

from ..smtp import verbs
from .asked import Letter
from .call import Line
from .logins import NOBODY

MARK = "X-Smtpcreds-Probe"


def send(line: Line, letter: Letter, mechanism: str | None) -> str:
    """Send it and return what the server says; ``mechanism`` None sends without a login."""
    asked, mark = line.asked, secrets.token_hex(8)
    with line.trusted() as call:
        call.through()
        if mechanism:
            call.log_in(mechanism, asked.identity or NOBODY)
        content = compose(letter, mark, asked.hello, asked.trust.now, str(asked.target))
        reply = verbs.deliver(call.connection, letter.sender, letter.recipient, content)
    return f"{reply}; marked {MARK}: {mark}"


def compose(letter: Letter, mark: str, host: str, now: datetime, target: str) -> bytes:
    """Return a message (RFC 5322) that says what it is.

    Args:
        letter: the envelope, repeated in the header.
        mark: what to look for at the other end.
        host: ours, for the Message-ID.
        now: aware.
        target: the server that was probed.
    """
    lines = (
        f"From: {letter.sender}",
        f"To: {letter.recipient}",
        f"Subject: smtpcreds probe {mark}",
        f"Date: {_date(now)}",
        f"Message-ID: <{mark}@{host}>",
        f"{MARK}: {mark}",
        "Auto-Submitted: auto-generated",
        "",
        f"Sent by smtpcreds probe through {target}. It can be deleted.",
        "",
    )
    return "\r\n".join(lines).encode()


def _date(now: datetime) -> str:
    from email.utils import format_datetime

    return format_datetime(now)
