"""Running a program of the lab, with its complaint in the error."""

import subprocess
from collections.abc import Sequence

TIMEOUT = 300.0
"""Seconds after which a program counts as hung."""

PATIENCE = 120.0
"""Seconds to wait for an event that is bound to come."""


class LabError(AssertionError):
    """The lab could not do what a test asked for: a program failed, or an awaited event did not come."""


def run(argv: Sequence[str], *, stdin: str = "", cwd: str | None = None) -> str:
    """Run `argv` to its end and return its standard output.

    Raises:
        LabError: it exited with a status other than 0; the text carries both its outputs.
    """
    done = subprocess.run(argv, input=stdin, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
