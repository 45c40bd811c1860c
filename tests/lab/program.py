"""The program under test on a host of the lab, as an installed one: a file on the PATH."""

import shlex
import sys
from pathlib import Path

from place import INSTALLED, TOP

from lab.host import Host

PLACE = "/usr/local/bin/smtpcreds"


def put_program(host: Host) -> None:
    """Let the host's administrators type ``smtpcreds``: what is installed, or the checkout."""
    if INSTALLED:
        host.path(PLACE).symlink_to(Path(sys.executable).with_name("smtpcreds"))
        return
    start = f"import sys; sys.argv[0] = '{PLACE}'; from smtpcreds.__main__ import main; main()"
    command = f"exec env PYTHONPATH={TOP} {sys.executable} -c {shlex.quote(start)}"
    host.write(PLACE, f'#!/bin/sh\n{command} "$@"\n', 0o755)
