"""Interactive shells of Debian on a pseudo-terminal, with the completion files where the wheel puts them."""

import os
import re
import select
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from admin import PATIENCE, TOP, environment

SHELLS = ("bash", "zsh", "fish")
PROGRAM = """#!/bin/sh
if [ -n "$_SMTPCREDS_COMPLETE" ]; then exec {python} -m smtpcreds "$@"; fi
printf 'typed<'; printf '[%s]' "$@"; printf '>typed\\n'
"""
"""Answers the shell itself; run, it shows the words that the shell made of the line."""
_START = {
    "bash": ". /usr/share/bash-completion/bash_completion\nPS1='ready> '\n",
    "zsh": "fpath=({share}/zsh/site-functions $fpath)\nautoload -U compinit\ncompinit -u -D\nPS1='ready> '\n",
    "fish": "function fish_prompt; echo -n 'ready> '; end\nset -g fish_greeting\n",
}
_COMMAND = {
    "bash": ("bash", "--noprofile", "--rcfile", "{home}/start", "-i"),
    "zsh": ("zsh", "-i"),
    "fish": ("fish", "--private", "-C", "source {home}/start"),
}


class Shell:
    """One shell, and what it makes of a line when Tab and Return are pressed at its end."""

    def __init__(self, name: str, home: Path, share: Path, more: Mapping[str, str]) -> None:
        start = home / (".zshrc" if name == "zsh" else "start")
        start.write_text(_START[name].format(share=share))
        known = {
            "HOME": str(home),
            "ZDOTDIR": str(home),
            "TERM": "xterm",
            "XDG_DATA_DIRS": f"{share}:/usr/share",
            "PATH": f"{home}:{os.environ['PATH']}",
        }
        self.master, terminal = os.openpty()
        words = [word.format(home=home) for word in _COMMAND[name]]
        self.child = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *words],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**known, **more),
            cwd=home,
        )
        os.close(terminal)
        self.screen = ""
        self._until(r"ready> ")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()
        os.close(self.master)

    def tab(self, line: str) -> list[str]:
        """Type a command line, Tab and Return; return the words that the program was then run with."""
        self.screen = ""
        os.write(self.master, f"smtpcreds {line}\t\r".encode())
        found = self._until(r"typed<(.*)>typed")
        self._until(r"ready> ")
        return re.findall(r"\[([^]]*)\]", found[1])

    def _until(self, pattern: str) -> re.Match[str]:
        while not (found := re.search(pattern, self.screen)):
            ready, _, _ = select.select([self.master], [], [], PATIENCE)
            assert ready, f"nothing more came after {self.screen!r}"
            self.screen += os.read(self.master, 4096).decode(errors="replace")
        self.screen = self.screen[found.end() :]
        return found


def installed(share: Path) -> Path:
    """Put the shells' files below a directory as the wheel does below ``share``; return it."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    files = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    for source, target in files.items():
        path = share / target.removeprefix("share/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((TOP / source).read_bytes())
    return share


def home_with_program(home: Path) -> Path:
    """Make a home directory that has the program in it."""
    home.mkdir()
    program = home / "smtpcreds"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return home
