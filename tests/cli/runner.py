"""The program as an administrator's shell starts it: its own process, no terminal, a clean environment."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).parent.parent.parent
HUB = "dmzmail.polkatistas.org"
DOMAIN = "polkatistas.org"
ACCOUNT = f"maildroid@{HUB}"
CONFIG = f'domain = "{DOMAIN}"\nhub = "{HUB}"\n'
SMTPCREDS = (sys.executable, "-m", "smtpcreds")
PASSPHRASE = "Ch1mp? ,03fuzz fl0ppi"
PATIENCE = 60
NO_MORE: Mapping[str, str] = {}

Tree = dict[str, tuple[str, int, int, str]]


@dataclass(frozen=True)
class Ran:
    """How a process ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def warnings(self) -> list[str]:
        mark = "smtpcreds: warning: "
        return [line.removeprefix(mark) for line in self.err.splitlines() if line.startswith(mark)]

    @property
    def problem(self) -> str:
        """The one line that says what is wrong, with the hint behind it; anything else on stderr fails."""
        lines = [line for line in self.err.splitlines() if not line.startswith("smtpcreds: warning: ")]
        assert lines, f"status {self.status}, and not a word"
        assert re.fullmatch(r"smtpcreds: \S.*", lines[0]), self.err
        assert not lines[0].endswith("."), lines[0]
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  hint: ")), self.err
        return "\n".join(lines)


def environment(**more: str) -> dict[str, str]:
    """Nothing of the caller's but the way to programs, and the package under test."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(TOP),
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
    } | more


def snapshot(root: Path) -> Tree:
    """All that is below the root: mode and kind, owner, content or target of a link, by path."""
    found = sorted(root.rglob("*")) if root.exists() else []
    return {str(path.relative_to(root)): _state(path) for path in found}


def _state(path: Path) -> tuple[str, int, int, str]:
    status = path.lstat()
    mode = stat.filemode(status.st_mode)
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return mode, status.st_uid, status.st_gid, content


def peer(
    *command: str | Path, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE, status: int | None = 0
) -> str:
    """Run a program of the host and return what it prints.

    One that is missing, or ends with another status, fails the test; None expects no certain one.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, env=environment(**env), timeout=PATIENCE)
    text = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert status is None or done.returncode == status, text
    return text


@dataclass
class Program:
    """``smtpcreds --root ROOT`` with umask 0, so that every mode on disk is one that the program chose."""

    root: Path
    prefix: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str | Path) -> list[str]:
        return [*self.prefix, *SMTPCREDS, "--root", str(self.root), *map(str, words)]

    def run(
        self,
        *words: str | Path,
        stdin: bytes = b"",
        env: Mapping[str, str] = NO_MORE,
        fds: Sequence[int] = (),
    ) -> Ran:
        done = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            env=environment(**{**self.env, **env}),
            cwd=self.root.parent,
            start_new_session=True,
            umask=0,
            pass_fds=fds,
            timeout=PATIENCE,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def __call__(self, *words: str | Path, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE) -> Ran:
        ran = self.run(*words, stdin=stdin, env=env)
        assert ran.status == 0, ran.err
        return ran

    def refuses(
        self, status: int, *words: str | Path, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE
    ) -> str:
        """Run what must fail so, with one clear line, an empty stdout and nothing changed.

        Returns the line, and its hint behind it.
        """
        before = snapshot(self.root)
        ran = self.run(*words, stdin=stdin, env=env)
        assert ran.status == status, (ran.status, ran.err)
        assert ran.out == ""
        assert snapshot(self.root) == before
        return ran.problem

    def write(self, path: str, text: str | bytes, mode: int = 0o600) -> Path:
        """Write a file below the root, or beside it if the path is relative."""
        target = self.path(path) if path.startswith("/") else self.root.parent / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(mode)
        return target

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def mode(self, absolute: str) -> int:
        return stat.S_IMODE(self.path(absolute).lstat().st_mode)

    def configure(self, text: str = CONFIG) -> None:
        self.write("/etc/smtpcreds/smtpcreds.toml", text, 0o644)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the inventory, as it lies on disk."""
        import sqlite3
        from contextlib import closing

        with closing(
            sqlite3.connect(f"file:{self.path(INVENTORY)}?mode=ro&immutable=1", uri=True)
        ) as database:
            return database.execute(sql).fetchall()


STATE = "/var/lib/smtpcreds"
INVENTORY = f"{STATE}/inventory.sqlite3"
CERTS = "/etc/mail/certs"
SASLDB = "/etc/sasldb2"
AUTH_INFO = f"{STATE}/clients/maildroid/default-auth-info"
