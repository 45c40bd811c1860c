"""A person at a pseudo-terminal: sees what a program shows, and types; nobody is waited for without end."""

import os
import select
import subprocess
from collections.abc import Sequence

from admin import PATIENCE, Admin, environment


class Person:
    """Has the program on a pseudo-terminal of its own, sees what is shown, and types."""

    def __init__(self, program: Admin, words: Sequence[str]) -> None:
        self.master, terminal = os.openpty()
        self.child = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *program.command(*words)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**program.env),
            cwd=program.root.parent,
        )
        os.close(terminal)
        self.screen = b""
        self.answered = 0

    def answers(self, question: bytes, line: str) -> None:
        while not self.screen[self.answered :].endswith(question):
            assert self.sees(), f"{question!r} never came, only {self.screen!r}"
        self.answered = len(self.screen)
        os.write(self.master, f"{line}\n".encode())

    def ends(self) -> tuple[int, str]:
        while self.sees():
            pass
        return self.child.wait(PATIENCE), self.screen.decode().replace("\r\n", "\n")

    def sees(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], PATIENCE)
        assert ready, f"nothing more came after {self.screen!r}"
        try:
            part = os.read(self.master, 4096)
        except OSError:  # EIO: the program has ended
            return False
        self.screen += part
        return bool(part)

    def leaves(self) -> None:
        os.close(self.master)
        self.child.kill()
        self.child.wait()
