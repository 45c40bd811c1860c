"""The desk of an administrator: smtpcreds under a scratch root, and an authority run with openssl."""

import json
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOMAIN = "polkatistas.org"
HOST = f"dmzmail.{DOMAIN}"
BOTH, SERVER, CLIENT = "serverAuth,clientAuth", "serverAuth", "clientAuth"
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "smtpcreds.authority.install_answer",
        "smtpcreds.authority.issue",
        "smtpcreds.authority.create",
        "smtpcreds.bundle.plan",
        "smtpcreds.setup.client",
        "smtpcreds.cli",
    ]
)
Done = subprocess.CompletedProcess[str]


def run(*words: str | Path, clock: str = "", **environment: str) -> Done:
    """Run a program and return what became of it; ``clock`` is what faketime takes."""
    shifted = ("faketime", clock, *words) if clock else words
    return subprocess.run(
        [str(word) for word in shifted],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def warm(words: list[str], environment: dict[str, str]) -> Done:
    """Run smtpcreds in a process of its own that has its imports behind it: they are most of the time."""
    with tempfile.TemporaryDirectory() as directory:
        streams = (f"{directory}/out", f"{directory}/err")
        process = FORKS.Process(target=_smtpcreds, args=(words, environment, streams))
        process.start()
        process.join(120)
        assert process.exitcode is not None, words
        out, err = (Path(stream).read_text() for stream in streams)
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


def _smtpcreds(words: list[str], environment: dict[str, str], streams: tuple[str, str]) -> None:
    os.environ |= environment
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    from smtpcreds.cli import main

    sys.argv = ["smtpcreds", *words]
    main()


def openssl(*words: str | Path, **options: Any) -> str:
    done = run("openssl", *words, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Desk:
    """One host."""

    root: Path
    clock: str = ""

    @property
    def certs(self) -> Path:
        return self.root / "etc/mail/certs"

    def __call__(self, *words: str | Path, **environment: str) -> Done:
        if self.clock:
            return run(*self.words(words), clock=self.clock, **environment)
        return warm(["--root", str(self.root), *map(str, words)], environment)

    def words(self, words: tuple[str | Path, ...]) -> tuple[str | Path, ...]:
        return (sys.executable, "-m", "smtpcreds", "--root", self.root, *words)

    def does(self, *words: str | Path, **environment: str) -> str:
        done = self(*words, **environment)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.does("--json", *words))

    def refuses(self, status: int, *words: str | Path, **environment: str) -> str:
        """Run a command that is refused: one line, perhaps a hint, and nothing changed below the root."""
        before = tree(self.root)
        done = self(*words, **environment)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert tree(self.root) == before
        lines = [line for line in done.stderr.splitlines() if "warning:" not in line]
        assert lines[0].startswith("smtpcreds: ")
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  hint: ")), done.stderr
        return done.stderr

    def killed(self, inject: str, *words: str | Path) -> bool:
        """Run a command that is killed at a system call; tell whether it got that far."""
        done = run("strace", "-f", "-qq", "-o/dev/null", f"-einject={inject}", *self.words(words))
        return done.returncode in KILLED


def copy(desk: Desk, root: Path) -> Desk:
    """Return a host that is as another one is now; what is recorded is relative to the root."""
    shutil.copytree(desk.root, root, symlinks=True)
    return Desk(root)


def desk(root: Path) -> Desk:
    """Return a host that knows its domain."""
    settings = root / "etc/smtpcreds/smtpcreds.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'domain = "{DOMAIN}"\n')
    return Desk(root)


@dataclass(frozen=True)
class OtherCa:
    """An authority that knows nothing of us, made and run with openssl."""

    directory: Path
    name: str = "Other CA"

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def key(self) -> Path:
        return self.directory / "ca.key"

    def answer(
        self,
        request: Path,
        names: tuple[str, ...] = (HOST,),
        usage: str = BOTH,
        days: int = 90,
        clock: str = "",
        is_ca: bool = False,
    ) -> Path:
        listed = ",".join(f"DNS:{name}" for name in names)
        text = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n"
        if not is_ca:
            text = f"subjectAltName={listed}\nextendedKeyUsage={usage}\n"
        extensions = self.directory / "extensions"
        extensions.write_text(text)
        path = self.directory / f"answer-{os.urandom(4).hex()}.pem"
        words = ("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-out", path)
        openssl(*words, "-days", str(days), "-extfile", extensions, clock=clock)
        return path

    def below(self, name: str) -> "OtherCa":
        """Return an authority that this one certified."""
        directory = self.directory / "below"
        directory.mkdir()
        ca = OtherCa(directory, name)
        request = directory / "ca.csr"
        subject = ("-subj", f"/CN={name}")
        openssl("req", "-new", *NEW_KEY, "-keyout", ca.key, "-out", request, *subject)
        self.answer(request, is_ca=True).rename(ca.certificate)
        return ca


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


def other_ca(directory: Path, name: str = "Other CA") -> OtherCa:
    directory.mkdir()
    ca = OtherCa(directory, name)
    openssl(
        "req",
        "-x509",
        *NEW_KEY,
        "-keyout",
        ca.key,
        "-out",
        ca.certificate,
        "-days",
        "900",
        "-subj",
        f"/CN={name}",
    )
    return ca


def request_of(directory: Path, name: str, *extra: str, key: tuple[str, ...] = NEW_KEY) -> Path:
    """Return a request that another host made with openssl; its key stays beside it."""
    path = directory / f"{os.urandom(4).hex()}.csr"
    openssl("req", "-new", *key, "-keyout", path.with_suffix(".key"), "-out", path, "-subj", name, *extra)
    return path


def tree(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """Return mode and content of everything below a directory but databases and locks."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.name.startswith("inventory.sqlite3") or path.name == "lock" or path.is_dir():
            continue
        content = os.readlink(path) if path.is_symlink() else path.read_bytes()
        found[str(path)] = (stat.S_IMODE(status.st_mode), content)
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def public_key(path: Path) -> str:
    """Return the public key of a certificate, a request or a private key."""
    kind = {".csr": "req", ".new": "pkey"}.get(path.suffix, "pkey" if path.stem.endswith("key") else "x509")
    if path.suffix == ".key":
        kind = "pkey"
    return (
        openssl(kind, "-in", path, "-pubout")
        if kind == "pkey"
        else openssl(kind, "-in", path, "-noout", "-pubkey")
    )


def is_pair(certs: Path, stem: str = "dmzmail") -> bool:
    return public_key(certs / f"{stem}-key.pem") == public_key(certs / f"{stem}-cert.pem")


def verified(certificate: Path, directory: Path, purpose: str = "sslserver") -> str:
    """Ask OpenSSL as a mail server does: by the hash links of the directory."""
    return openssl(
        "verify",
        "-purpose",
        purpose,
        "-no-CAfile",
        "-no-CAstore",
        "-CApath",
        directory,
        certificate,
    )
