"""What a row of the tables is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Symptom:
    """One row.

    Attributes:
        step: regular expression that the step's name begins with.
        said: one that is found in the words of the failure, in any case.
        cause: why, most likely.
        cure: what to do; ``{host}`` stands for the server.
    """

    step: str
    said: str
    cause: str
    cure: str


REISSUE = "on the authority: smtpcreds cert issue {host} --force; install the pair on the server; reload it"
AUDIT = "on {host}: smtpcreds audit"
