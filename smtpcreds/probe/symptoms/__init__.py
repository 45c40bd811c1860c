"""What a client sees, why, and what to do: the likeliest cause of a failed step.

The words are those of OpenSSL, Sendmail 8.17, Postfix 3.7, Exim 4.96, Dovecot 2.3 and Cyrus SASL 2.1.28, as
they were seen.
"""

import re

from ...errors import SmtpcredsError
from . import certificate, channel, login
from .row import Symptom

__all__ = ["SYMPTOMS", "Symptom", "explain"]

_ANYWHERE = (
    # Whatever the step
    Symptom(
        "",
        "no reply|two codes|a line of over|a reply of over|not base64|closed the connection|broke",
        "the server, or something in between, does not speak SMTP as it should",
        "compare with a probe from the server itself, and look at its log",
    ),
    Symptom(
        "", "did not answer in time", "the server is slow or hangs", "look at its log; --timeout SECONDS"
    ),
)

SYMPTOMS = (*channel.ROWS, *certificate.ROWS, *login.ROWS, *_ANYWHERE)
"""In the order in which they are asked; the first that fits counts."""


def explain(step: str, error: SmtpcredsError, host: str) -> tuple[str, str]:
    """Return the likely cause of a failure, and the cure; what no row knows has the error's own hint."""
    said = str(error)
    for row in SYMPTOMS:
        if re.match(row.step, step) and re.search(rf"(?<!\d)(?:{row.said})(?!\d)", said, re.IGNORECASE):
            return row.cause, error.hint or row.cure.replace("{host}", host)
    return "", error.hint or f"look at the log of {host}"
