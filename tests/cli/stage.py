"""A relay host under a scratch root, an administrator who types commands there, and OpenSSL's opinion."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUB = "dmzmail.polkatistas.org"
DOMAIN = "polkatistas.org"
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Stage:
    """One installation.

    Attributes:
        root: its ``--root``.
        later: what the clock is ahead, as faketime takes it; empty is the present.
    """

    root: Path
    later: str = ""

    @property
    def certs(self) -> Path:
        return self.root / "etc/mail/certs"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/smtpcreds"

    @property
    def crl(self) -> Path:
        return self.state / "ca/crl.pem"

    def at(self, later: str) -> "Stage":
        return Stage(self.root, later)

    def command(self, *words: str | Path) -> list[str]:
        clock = ["faketime", self.later] if self.later else []
        return [*clock, sys.executable, "-m", "smtpcreds", "--root", str(self.root), *map(str, words)]

    def attempt(self, *words: str | Path, **environment: str) -> Done:
        return run(self.command(*words), os.environ | environment)

    def __call__(self, *words: str | Path, status: int = 0) -> str:
        done = self.attempt(*words)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *words: str | Path) -> Any:
        done = self.attempt("--json", *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def killed(self, inject: str, *words: str | Path) -> bool:
        """Run a command that dies at a system call; tell whether it got that far."""
        strace = ["strace", "-f", "-qq", "-o/dev/null", f"-einject={inject}"]
        return run([*strace, *self.command(*words)], dict(os.environ)).returncode in KILLED

    def openssl(self, *words: str | Path, status: int = 0) -> str:
        clock = ["faketime", self.later] if self.later else []
        done = run([*clock, "openssl", *map(str, words)], dict(os.environ))
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def field(self, certificate: Path, what: str) -> str:
        return self.openssl("x509", "-in", certificate, "-noout", what).partition("=")[2].strip().lower()

    def serial(self, host: str = "dmzmail") -> str:
        return self.field(self.certs / f"{host}-cert.pem", "-serial")

    def public_key(self, path: Path) -> str:
        return self.openssl("x509", "-in", path, "-noout", "-pubkey")

    def verify(self, certificate: Path, *more: Path, status: int = 0) -> str:
        """Ask OpenSSL as a mail server does: the directory's hash links lead to CA bundle and CRL."""
        directory = certificate.parent
        how = ("-CApath", directory, "-no-CAfile", "-crl_check", "-x509_strict")
        return self.openssl("verify", *how, certificate, *more, status=status)

    def is_pair(self, host: str = "dmzmail", suffix: str = "") -> bool:
        key, certificate = (self.certs / f"{host}-{kind}.pem{suffix}" for kind in ("key", "cert"))
        return self.openssl("pkey", "-in", key, "-pubout") == self.public_key(certificate)


def run(argv: list[str], environment: dict[str, str]) -> Done:
    return subprocess.run(
        argv,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def hub(root: Path) -> Stage:
    stage = Stage(root)
    stage("ca", "init", "--no-passphrase", "--permit", DOMAIN)
    (root / "etc/smtpcreds").mkdir(parents=True, exist_ok=True)
    (root / "etc/smtpcreds/smtpcreds.toml").write_text(f'domain = "{DOMAIN}"\nhub = "{HUB}"\n')
    stage("cert", "issue", "dmzmail")
    return stage


def snapshot(directory: Path) -> dict[str, bytes | str]:
    """Return what is in a directory, by name: contents, and where links lead."""
    found = sorted(directory.iterdir())
    return {path.name: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in found}
