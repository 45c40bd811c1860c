"""The administrator: types commands under a root, without a terminal, in a clean environment."""

import errno
import hashlib
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import sasl_oracle
from answers import refuse_undeclared
from cures import refuse_unfit_commands
from kills import CALLS, Point, attached, points
from place import IMPORTS
from place import TOP as TOP
from syscalls import GO_ON, KILL, Answer, Registers, numbers, tell
from warm import MARK, Warm

from smtpcreds.sasldb.opening import open_store

DOMAIN = "polkatistas.org"
HUB = f"dmzmail.{DOMAIN}"
ACCOUNT = f"maildroid@{HUB}"
CONFIG = f'domain = "{DOMAIN}"\nhub = "{HUB}"\n'
SMTPCREDS = (sys.executable, "-m", "smtpcreds")
SECRET = b"Ch1mp? ,03fuzz fl0ppi"
PASSPHRASE = SECRET.decode()
PATIENCE = 240
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}
NOBODY, BUSY = 65534, 75
NO_MORE: Mapping[str, str] = {}
NO_STOPS: Mapping[int, str] = {}
_PEM = re.compile(r"(-----BEGIN [A-Z0-9 ]+-----\n)[^-]*(?=-----END)")

SETTINGS = "/etc/smtpcreds/smtpcreds.toml"
STATE = "/var/lib/smtpcreds"
INVENTORY = f"{STATE}/inventory.sqlite3"
CERTS = "/etc/mail/certs"
SASLDB = "/etc/sasldb2"
AUTH_INFO = f"{STATE}/clients/maildroid/default-auth-info"

Tree = dict[str, tuple[str, int, int, str]]
Word = str | Path
_WARNING = "smtpcreds: warning: "
_OF_THE_START = ("PYTHON", "LC_", "LANG", "LD_")
"""Variables that only the start of a process heeds."""
_warm = Warm()


class Ran(str):
    """All that a run said.

    Attributes:
        status: that it ended with; negative is the signal that killed it.
        octets: its answer, on stdout.
        complaint: and what it said on stderr.
    """

    status: int
    octets: bytes
    complaint: bytes

    def __new__(cls, status: int, octets: bytes, complaint: bytes = b"") -> Self:
        ran = super().__new__(cls, (octets + complaint).decode(errors="surrogateescape"))
        ran.status, ran.octets, ran.complaint = status, octets, complaint
        return ran

    @property
    def out(self) -> str:
        return self.octets.decode()

    @property
    def err(self) -> str:
        return self.complaint.decode()

    @property
    def data(self) -> Any:
        answer = json.loads(self.octets)
        assert answer.pop("schema") == 1
        return answer

    @property
    def _complaints(self) -> list[str]:
        """The lines of stderr; what is said as JSON as the lines that it stands for."""
        return [line for said in self.err.splitlines() for line in _told(said)]

    @property
    def warnings(self) -> list[str]:
        return [line.removeprefix(_WARNING) for line in self._complaints if line.startswith(_WARNING)]

    @property
    def problem(self) -> str:
        """The one line that says what is wrong, with the hint behind it; anything else on stderr fails."""
        lines = [line for line in self._complaints if not line.startswith(_WARNING)]
        assert lines, f"status {self.status}, and not a word"
        assert re.fullmatch(r"smtpcreds: \S.*", lines[0]), self.err
        assert not lines[0].endswith("."), lines[0]
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  hint: ")), self.err
        return "\n".join(lines)


def _told(said: str) -> list[str]:
    if not said.startswith('{"schema": 1, '):
        return [said]
    told = json.loads(said)
    if "error" not in told:
        return [f"smtpcreds: {'warning: ' * ('warning' in told)}{told.get('warning', told.get('note'))}"]
    error = told["error"]
    line = ": ".join(filter(None, (error["what"].removesuffix(":"), error["why"])))
    return [f"smtpcreds: {line}", *([f"  hint: {error['hint']}"] if error["hint"] else [])]


def environment(**more: str) -> dict[str, str]:
    """Nothing of the caller's but the way to programs, and the package under test."""
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **IMPORTS, **more}


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


def without_random(text: str, *secrets: str) -> str:
    """Leave out secrets and the insides of PEM blocks, in which any short word may stand by chance."""
    for secret in secrets:
        text = text.replace(secret, "")
    return _PEM.sub(r"\1", text)


def open_files(process: int) -> list[str]:
    """The files that a process has open, but for those that are closed while we look."""
    found = []
    for name in os.listdir(f"/proc/{process}/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{process}/fd/{name}"))
    return found


def contents(directory: Path) -> dict[str, bytes | str]:
    """Return what is in a directory, by name: contents, and where links lead."""
    found = sorted(directory.iterdir())
    return {path.name: os.readlink(path) if path.is_symlink() else path.read_bytes() for path in found}


def peer(*command: Word, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE, status: int | None = 0) -> str:
    """Run a program of the host and return what it prints.

    One that is missing, or ends with another status, fails the test; None expects no certain one.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, env=environment(**env), timeout=PATIENCE)
    text = (done.stdout + done.stderr).decode(errors="backslashreplace")
    assert status is None or done.returncode == status, f"{words}: {done.returncode}\n{text}"
    return text


TURN = 10.0
"""Seconds that a change of accounts waits for its turn; the state directory's lock has more."""
STOPPED = re.compile(r"^(\d+) +--- stopped by SIGSTOP", re.MULTILINE)


@dataclass
class Admin:
    """``smtpcreds --root ROOT`` with umask 0, so that every mode on disk is one that the program chose.

    Attributes:
        root: its ``--root``.
        prefix: what goes before the command.
        env: more variables.
        later: what the clock is ahead, as faketime takes it; empty is the present.
        user: whose process it is, and group, by number.
    """

    root: Path
    prefix: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    later: str = ""
    user: int = 0

    def at(self, later: str) -> "Admin":
        """Return the same at another time."""
        return replace(self, later=later)

    def as_user(self, number: int) -> "Admin":
        """Return the same as another user, of the group with the same number and of no other."""
        return replace(self, user=number)

    def behind(self, *prefix: str) -> "Admin":
        """Return the same started by other words."""
        return replace(self, prefix=prefix)

    def copy(self, root: Path) -> "Admin":
        """Return another root that is as this one is now; what is recorded is relative to it."""
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", self.root, root], check=True)
        return replace(self, root=root)

    def arguments(self, *words: Word) -> list[str]:
        return ["--root", str(self.root), *map(str, words)]

    def command(self, *words: Word) -> list[str]:
        clock = ("faketime", self.later) if self.later else ()
        return [*self.prefix, *clock, *SMTPCREDS, *self.arguments(*words)]

    def run(
        self,
        *words: Word,
        stdin: bytes = b"",
        env: Mapping[str, str] = NO_MORE,
        fds: Sequence[int] = (),
    ) -> Ran:
        """Run a command, however it ends."""
        more = {**self.env, **env}
        if fds or self._is_cold(more):
            ran = self._cold(self.command(*words), stdin, more, fds)
        else:
            ran = self._warm(self.arguments(*words), stdin, more)
        assert b"Traceback" not in ran.complaint, ran
        refuse_undeclared([*map(str, words)], ran.octets, ran.complaint)
        return self._as_typed(ran)

    def _is_cold(self, more: Mapping[str, str]) -> bool:
        """Tell if a run needs a start of its own: words before it, a clock, or variables of a start."""
        return bool(self.prefix or self.later) or any(name.startswith(_OF_THE_START) for name in more)

    def _as_typed(self, ran: Ran) -> Ran:
        """Insist that printed commands can be typed here; leave out the words that lead to this root."""
        start = f"--root {shlex.quote(str(self.root))} "
        ways = (f"{sys.executable} -m smtpcreds {start}", f"smtpcreds {start}")
        refuse_unfit_commands(ran, ways)
        octets, complaint = ran.octets, ran.complaint
        for way in ways:
            octets = octets.replace(os.fsencode(way), b"smtpcreds ")
            complaint = complaint.replace(os.fsencode(way), b"smtpcreds ")
        return Ran(ran.status, octets, complaint)

    def _cold(self, command: list[str], stdin: bytes, more: Mapping[str, str], fds: Sequence[int]) -> Ran:
        group = {"user": self.user, "group": self.user, "extra_groups": ()} if self.user else {}
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env=environment(**more),
            cwd=self.root.parent,
            start_new_session=True,
            umask=0,
            pass_fds=fds,
            timeout=PATIENCE,
            **group,  # type: ignore[call-overload]
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def _warm(
        self,
        arguments: list[str],
        stdin: bytes,
        more: Mapping[str, str],
        log: str = "",
        inject: str = "",
        stops: Mapping[int, str] = NO_STOPS,
        answer: Answer | None = None,
    ) -> Ran:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, piped(stdin) as reader:
            streams = (reader, out.fileno(), err.fileno())
            where = (environment(**more), self.root.parent, streams)
            ours, theirs = socket.socketpair() if answer else (None, None)
            process = _warm.start(
                arguments, *where, user=self.user, traced=log, stops=[*stops], teller=theirs
            )
            tracer = attached(process, Path(log), (*CALLS, MARK), inject) if log else None
            try:
                if answer and ours and theirs:
                    with ours, theirs:
                        tell(process, ours, stops, answer)
                status = _warm.wait(PATIENCE)
            except BaseException:
                os.kill(process, signal.SIGKILL)
                _warm.wait(PATIENCE)
                raise
            if tracer:
                tracer.wait(PATIENCE)
            out.seek(0)
            err.seek(0)
            return Ran(status, out.read(), err.read())

    def __call__(
        self, *words: Word, status: int = 0, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE
    ) -> Ran:
        """Run what has to end with this status."""
        ran = self.run(*words, stdin=stdin, env=env)
        assert ran.status == status, f"{words}: {ran.status}\n{ran}"
        return ran

    def json(
        self, *words: Word, status: int = 0, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE
    ) -> Any:
        """Return the answer as JSON."""
        return self("--json", *words, status=status, stdin=stdin, env=env).data

    def sasl(self, *words: object, status: int = 0, stdin: bytes = b"", before: tuple[str, ...] = ()) -> Ran:
        """Run a command for accounts, started by other words."""
        return self.behind(*before)("sasl", *map(str, words), status=status, stdin=stdin)

    def refuses(self, status: int, *words: Word, stdin: bytes = b"", env: Mapping[str, str] = NO_MORE) -> str:
        """Run what must fail so, with one clear line, an empty stdout and nothing changed.

        Returns the line, and its hint behind it.
        """
        before = snapshot(self.root)
        ran = self(*words, status=status, stdin=stdin, env=env)
        assert ran.out == ""
        assert snapshot(self.root) == before
        return ran.problem

    def at_once(self, *commands: Sequence[Word]) -> list[Ran]:
        """Run commands side by side, however they end.

        One that waited for its turn as long as it does, on a busy machine, runs once more, alone.
        """
        begun = time.monotonic()
        started = [
            subprocess.Popen(
                self.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(**self.env),
                cwd=self.root.parent,
                start_new_session=True,
            )
            for words in commands
        ]
        ended = [process.communicate(timeout=PATIENCE) for process in started]
        ran = [Ran(process.returncode, *said) for process, said in zip(started, ended, strict=True)]
        if time.monotonic() - begun < TURN:
            return ran
        return [
            self.run(*words) if one.status == BUSY else one for words, one in zip(commands, ran, strict=True)
        ]

    def killed(self, inject: str, *words: Word, lacks: str = "") -> bool:
        """Run a command that dies at a system call, on a kernel without another; tell if it got that far.

        Args:
            inject: as strace(1) has it: calls, each counted by itself, and ``signal=KILL:when=NUMBER``.
            words: the command.
            lacks: a call that fails with ENOSYS.
        """
        if self._is_cold(self.env):
            missing = (f"-einject={lacks}:error=ENOSYS",) if lacks else ()
            strace = ("strace", "-f", "-qq", "-o/dev/null", *missing, f"-einject={inject}")
            traced = self.behind(*strace, *self.prefix)
            return traced.run(*words, env={"PYTHONDONTWRITEBYTECODE": "1"}).status in KILLED
        calls, _, last = inject.partition(":signal=KILL:when=")

        def answer(call: str, number: int, _registers: Registers) -> int:
            if call == lacks:
                return errno.ENOSYS
            return KILL if number == int(last) else GO_ON

        stops = [*calls.split(","), *([lacks] if lacks else [])]
        return self.answered(words, stops, answer).status in KILLED

    def overtaken(self, path: str, meanwhile: Callable[[], object], *words: Word) -> Ran:
        """Run a command that stands still after its first look at a path, until ``meanwhile`` is over."""
        log = self.directory / "overtaken.log"
        strace = ("strace", "-f", "-qq", f"-o{log}", "-P", str(self.path(path)))
        slow = self.behind(*strace, "-einject=newfstatat:signal=STOP:when=1", *self.prefix)
        with ThreadPoolExecutor() as pool:
            ran = pool.submit(slow.run, *words, env={"PYTHONDONTWRITEBYTECODE": "1"})
            while not (stands := STOPPED.search(log.read_text() if log.exists() else "")):
                assert not ran.done(), f"never looked at {path}: {ran.result()}"
                time.sleep(0.01)
            try:
                meanwhile()
            finally:
                os.kill(int(stands[1]), signal.SIGCONT)
            return ran.result()

    def answered(self, words: Sequence[Word], calls: Sequence[str], answer: Answer) -> Ran:
        """Run the command, which stops before each of these system calls and goes on as it is answered."""
        assert self.later == "" == "".join(self.prefix), "only a run that is started as it is can be counted"
        return self._warm(self.arguments(*words), b"", self.env, stops=numbers(calls), answer=answer)

    def kill_points(self, *words: Word, env: Mapping[str, str] = NO_MORE) -> list[Point]:
        """Run a command to its end; return each call of it that changes files, in their order."""
        ran, log = self.traced(words, env)
        assert ran.status not in KILLED, ran
        return list(points(log))

    def killed_at(self, point: Point, *words: Word, env: Mapping[str, str] = NO_MORE) -> bool:
        """Run the command on what it was counted on, and kill it as it enters that call.

        Returns:
            False if it ended before.
        """
        ran, _ = self.traced(words, env, point.inject)
        return ran.status in KILLED

    def traced(self, words: Sequence[Word], env: Mapping[str, str], inject: str = "") -> tuple[Ran, str]:
        """Run the command under strace, with a fault in one call; return how it ended, and the log."""
        assert self.later == "" == "".join(self.prefix), "only a run that is started as it is can be counted"
        with tempfile.NamedTemporaryFile("r", prefix="trace") as log:
            Path(log.name).chmod(0o644)
            ran = self._warm(self.arguments(*words), b"", {**self.env, **env}, log.name, inject)
            return ran, log.read()

    @property
    def certs(self) -> Path:
        return self.path(CERTS)

    @property
    def state(self) -> Path:
        return self.path(STATE)

    @property
    def crl(self) -> Path:
        return self.state / "ca/crl.pem"

    @property
    def database(self) -> Path:
        return self.path(SASLDB)

    @property
    def directory(self) -> Path:
        """Where commands are typed: beside the root."""
        return self.root.parent

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def mode(self, absolute: str) -> int:
        return stat.S_IMODE(self.path(absolute).lstat().st_mode)

    def write(self, path: str, text: str | bytes, mode: int = 0o600) -> Path:
        """Write a file below the root, or beside it if the path is relative."""
        target = self.path(path) if path.startswith("/") else self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(mode)
        return target

    def secret(self, name: str, value: bytes = SECRET) -> str:
        """Return the source of a secret that lies in a private file beside the root."""
        return f"file:{self.write(name, value)}"

    def records(self, path: Path | None = None) -> dict[bytes, bytes]:
        """Return what a database holds, the host's own unless another is named; nothing if there is none."""
        path = path or self.database
        return dict(open_store(str(path)).load()) if path.exists() else {}

    def opened_by(self, name: str, password: bytes, database: Path | None = None) -> set[str]:
        """Return the mechanisms by which libsasl2 lets the password in."""
        return set(sasl_oracle.mechanisms(database or self.database, name, HUB, password))

    def configure(self, text: str = CONFIG) -> None:
        self.write(SETTINGS, text, 0o644)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the inventory, as it lies on disk."""
        place = f"file:{self.path(INVENTORY)}?mode=ro&immutable=1"
        with closing(sqlite3.connect(place, uri=True)) as database:
            return database.execute(sql).fetchall()

    def openssl(self, *words: Word, status: int = 0) -> str:
        """Ask OpenSSL, at the administrator's time."""
        clock = ("faketime", self.later) if self.later else ()
        return peer(*clock, "openssl", *words, status=status)

    def field(self, certificate: Path, what: str) -> str:
        return self.openssl("x509", "-in", certificate, "-noout", what).partition("=")[2].strip().lower()

    def serial(self, host: str = "dmzmail") -> str:
        return self.field(self.certs / f"{host}-cert.pem", "-serial")

    def public_key(self, path: Path) -> str:
        return self.openssl("x509", "-in", path, "-noout", "-pubkey")

    def verify(self, certificate: Path, *more: Path, status: int = 0) -> str:
        """Ask OpenSSL as a mail server does: the directory's hash links lead to CA bundle and CRL."""
        how = ("-CApath", certificate.parent, "-no-CAfile", "-crl_check", "-x509_strict")
        return self.openssl("verify", *how, certificate, *more, status=status)

    def is_pair(self, host: str = "dmzmail", suffix: str = "") -> bool:
        key, certificate = (self.certs / f"{host}-{kind}.pem{suffix}" for kind in ("key", "cert"))
        return self.openssl("pkey", "-in", key, "-pubout") == self.public_key(certificate)


@contextmanager
def piped(content: bytes) -> Iterator[int]:
    """Give the reading end of a pipe through which this content comes."""
    reader, writer = os.pipe()
    filler = threading.Thread(target=_fill, args=(writer, content))
    filler.start()
    try:
        yield reader
    finally:
        os.close(reader)
        filler.join()


def _fill(writer: int, content: bytes) -> None:
    with suppress(BrokenPipeError), open(writer, "wb") as file:
        file.write(content)


def relay(directory: Path, settings: str = "") -> Admin:
    """Return a hub without an authority, for accounts alone; its root is in the directory."""
    admin = Admin(directory / "root")
    admin.configure(f'hub = "{HUB}"\n{settings}')
    return admin


def issued_hub(root: Path) -> Admin:
    """Return a hub with an authority for its domain and the certificate of its host."""
    hub = Admin(root)
    root.mkdir(parents=True, exist_ok=True)
    hub("ca", "init", "--no-passphrase", "--permit", DOMAIN)
    hub.configure()
    hub("cert", "issue", "dmzmail")
    return hub
