"""The program under test on a host of the lab, as an installed one: a file on the PATH."""

import shlex
import sys
from pathlib import Path

from lab.host import Host

PLACE = "/usr/local/bin/smtpcreds"


def put_program(host: Host, top: Path) -> None:
    """Let the host's administrators type ``smtpcreds``; it is that of the checkout."""
    start = f"import sys; sys.argv[0] = '{PLACE}'; from smtpcreds.__main__ import main; main()"
    command = f"exec env PYTHONPATH={top} {sys.executable} -c {shlex.quote(start)}"
    host.write(PLACE, f'#!/bin/sh\n{command} "$@"\n', 0o755)
