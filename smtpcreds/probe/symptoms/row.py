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


REISSUE = "smtpcreds cert issue {host} on the authority; install the pair on the server and reload it"
