"""A relay's accounts under a scratch root, and an administrator who types commands there."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smtpcreds.sasldb.opening import open_store

TOP = Path(__file__).parents[2]
HUB = "dmzmail.polkatistas.org"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Admin:
    """Runs the program in a process of its own, without a terminal."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.root = directory, directory / "root"
        settings = self.root / "etc/smtpcreds/smtpcreds.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text(f'domain = "polkatistas.org"\nhub = "{HUB}"\n')
        (self.root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\npolkafan:x:1000:1000::/:/bin/sh\n")
        self.prefix: tuple[str, ...] = ()

    def run(self, *words: str | Path, given: bytes = b"") -> Done:
        command = (*self.prefix, sys.executable, "-m", "smtpcreds", "--root", self.root, *words)
        environment = {**os.environ, "PYTHONPATH": str(TOP)}
        done = subprocess.run(command, input=given, capture_output=True, cwd=self.directory, env=environment)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def __call__(self, *words: str | Path, given: bytes = b"") -> Done:
        """Run what has to succeed."""
        done = self.run(*words, given=given)
        assert done.status == 0, done.err
        return done

    def file(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    @property
    def database(self) -> Path:
        return self.root / "etc/sasldb2"

    def records(self, path: Path | None = None) -> dict[bytes, bytes]:
        path = path or self.database
        return dict(open_store(str(path)).load()) if path.exists() else {}


def key(user: str, realm: str = HUB, prop: str = "userPassword") -> bytes:
    return f"{user}\0{realm}\0{prop}".encode()
