"""A hub under a scratch root, and an administrator without a terminal who types ``sasl`` commands there."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sasl_oracle

TOP = Path(__file__).parents[2]
HUB = "dmzmail.polkatistas.org"
SECRET = b"Ch1mp? ,03fuzz fl0ppi"
STORED = Path("etc/sasldb2")


@dataclass(frozen=True)
class Ran:
    """How a process ended."""

    status: int
    out: bytes
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


class Admin:
    """Runs the program under one root; the answer must have the status that is expected."""

    def __init__(self, tmp_path: Path, settings: str = "") -> None:
        self.root, self.home = tmp_path / "root", tmp_path
        configuration = self.root / "etc/smtpcreds/smtpcreds.toml"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(f'hub = "{HUB}"\n{settings}')

    @property
    def database(self) -> Path:
        return self.root / STORED

    def __call__(
        self, *words: object, status: int = 0, stdin: bytes = b"", before: tuple[str, ...] = ()
    ) -> Ran:
        command = [
            *before,
            sys.executable,
            "-m",
            "smtpcreds",
            "--root",
            str(self.root),
            "sasl",
            *map(str, words),
        ]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TOP),
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=environment,
            cwd=self.home,
            start_new_session=True,
            timeout=60,
            check=False,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr.decode())
        assert ran.status == status, (command, ran)
        assert "Traceback" not in ran.err
        return ran

    def secret(self, name: str, value: bytes = SECRET) -> str:
        """Return the source of a secret that lies in a private file."""
        path = self.home / name
        path.write_bytes(value)
        path.chmod(0o600)
        return f"file:{path}"

    def opened_by(self, name: str, password: bytes, database: Path | None = None) -> set[str]:
        """Return the mechanisms by which libsasl2 lets the password in."""
        return set(sasl_oracle.mechanisms(database or self.database, name, HUB, password))
