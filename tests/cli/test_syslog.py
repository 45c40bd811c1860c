"""A syslog that is stopped, slow, gone or none: no run hangs, no line is lost without a word."""

import contextlib
import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import ACCOUNT, HUB, STATE, Admin
from lab.namespace import Namespace

from smtpcreds import files
from smtpcreds.files import syslog

ADD = ("sasl", "add", "droid", "--hashed")
ADDED = f"sasl add droid@{HUB} by root"
LINE = re.compile(r"<85>[A-Z][a-z]{2} [ 1-3][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} smtpcreds\[[0-9]+\]: (.*)")


class Daemon:
    """BusyBox's syslogd on a host of its own; ``lines`` are what it wrote."""

    def __init__(self, place: Path) -> None:
        (place / "dev").mkdir()
        copy = f"(cd /dev && cp -a null zero full random urandom tty {place}/dev)"
        self.host = Namespace(f"{copy}\nmount --bind {place}/dev /dev")
        self._written = place / "messages"
        start = f"busybox syslogd -n -t -S -O {self._written} > /dev/null 2>&1 & echo $!"
        self._process = self.host.run(("sh", "-c", start)).strip()
        self.socket = place / "dev/log"
        while not self.socket.is_socket():
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it, and fill what the kernel keeps for it."""
        is_stopped = f"grep -q '^State:.T' /proc/{self._process}/status"
        self.host.run(("sh", "-c", f"kill -STOP {self._process}; until {is_stopped}; do sleep 0.01; done"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(str(self.socket))
            fill(sender, b"<13>other")

    def go_on(self) -> None:
        self.host.run(("kill", "-CONT", self._process))

    def end(self) -> None:
        self.host.run(("kill", "-KILL", self._process))
        while self.answers():
            time.sleep(0.01)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            return sender.connect_ex(str(self.socket)) == 0

    def wait(self, text: str) -> list[str]:
        """Return all lines of smtpcreds when this one has come."""
        while True:
            content = self._written.read_text() if self._written.exists() else ""
            lines = re.findall(r"smtpcreds\[[0-9]+\]: (.*)", content)
            if text in "\n".join(lines):
                return lines
            time.sleep(0.01)

    def last(self, admin: Admin) -> list[str]:
        """Return all lines, the last of which is one of now."""
        admin("sasl", "show", "maildroid", "--reveal")
        return self.wait("sasl show --reveal")[:-1]


def fill(sender: socket.socket, line: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            sender.send(line)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    running = Daemon(tmp_path)
    yield running
    running.host.close()


@pytest.fixture
def inside(hub: Admin, daemon: Daemon) -> Admin:
    return hub.behind(*daemon.host.command(()))


def test_a_daemon_writes_what_is_sent(inside: Admin, daemon: Daemon) -> None:
    assert not inside(*ADD).warnings
    assert daemon.wait(ADDED) == [f"{ADDED}: {inside.root}/etc/sasldb2"]


def test_a_daemon_that_is_stopped_holds_nobody_up(inside: Admin, daemon: Daemon) -> None:
    daemon.stop()
    (warning,) = inside(*ADD).warnings
    assert warning == f"/dev/log: syslog takes no lines; not logged: {ADDED}: {inside.root}/etc/sasldb2"
    daemon.go_on()
    assert daemon.last(inside) == []


def test_a_secret_is_handed_out_all_the_same(inside: Admin, daemon: Daemon) -> None:
    secret = inside("sasl", "show", "maildroid", "--reveal").out
    daemon.stop()
    ran = inside("sasl", "show", "maildroid", "--reveal")
    assert ran.out == secret
    lost = f"sasl show --reveal {ACCOUNT} by root: to standard output"
    assert ran.warnings == [f"/dev/log: syslog takes no lines; not logged: {lost}"]


def test_of_many_lines_three_are_named(inside: Admin, daemon: Daemon) -> None:
    daemon.stop()
    hosts = [f"host{number}" for number in range(30)]
    ran = inside("cert", "issue", *hosts)
    (warning,) = ran.warnings
    assert re.search(
        r"not logged: cert issue host0\.\S+ by root: .*, .*, cert issue host2.* and 27 more$", warning
    )


def test_a_daemon_that_has_died_costs_no_time(inside: Admin, daemon: Daemon) -> None:
    daemon.end()
    assert inside(*ADD).warnings == [
        f"/dev/log: Connection refused; not logged: {ADDED}: {inside.root}/etc/sasldb2"
    ]


def test_a_host_without_syslog_is_not_spoken_of(inside: Admin, daemon: Daemon) -> None:
    daemon.end()
    daemon.socket.unlink()
    assert not inside(*ADD).warnings
    daemon.socket.write_text("a file that has the name\n")
    assert not inside("sasl", "delete", "droid", "--yes").warnings
    assert daemon.socket.read_text() == "a file that has the name\n"


@pytest.mark.parametrize("is_stopped", [False, True], ids=["", "stopped"])
def test_a_line_goes_at_its_deed_and_waits_after_the_locks(
    inside: Admin, daemon: Daemon, is_stopped: bool, tmp_path: Path
) -> None:
    """A kill loses no line that syslog would take, and nobody waits for a lock because of syslog."""
    if is_stopped:
        daemon.stop()
    trace = tmp_path / "trace"
    traced = inside.behind(
        *inside.prefix, "strace", "-y", "-o", str(trace), "-e", "trace=%network,poll,ftruncate"
    )
    traced("cert", "issue", "attic")
    calls = trace.read_text().splitlines()
    freed = max(
        number for number, call in enumerate(calls) if re.match(rf"ftruncate.*{STATE}/lock>, 0", call)
    )
    sent = [number for number, call in enumerate(calls) if "<85>" in call and "EAGAIN" not in call]
    tried = [number for number, call in enumerate(calls) if "<85>" in call and number < freed]
    waited = [
        number for number, call in enumerate(calls) if call.startswith("poll(") and "/dev/log" not in call
    ]
    assert tried
    if is_stopped:
        assert not sent
        assert waited
        assert min(waited) > freed
    else:
        assert max(sent) < freed
        assert not waited


# In this process: a socket of ours in the place of /dev/log.


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(syslog, "PLACES", (str(tmp_path / "none"), str(tmp_path / "log")))
    return tmp_path / "log"


def listening(place: Path, kind: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(str(place))
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def tell(count: int, detail: str = "") -> list[str]:
    """Log so many deeds; return the warnings."""
    warnings: list[str] = []
    with files.syslog_of_run(warnings.append):
        files.audit_to_syslog(warnings.append, "sasl add", ((f"joe{n}", detail) for n in range(count)))
    return warnings


def test_what_libc_would_write(place: Path) -> None:
    with listening(place, socket.SOCK_DGRAM) as listener:
        assert tell(1, "detail") == []
        found = LINE.fullmatch(listener.recv(1000).decode())
        assert found
        assert found[1] == "sasl add joe0 by root: detail"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\rb", "a\0b", "a\x1b[2Jb", "a\x9bb", "a\u2028b", "a\u202eb", "a\udcffb"]
)
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_hostile_name_stays_within_its_line(place: Path, text: str, kind: int) -> None:
    warnings: list[str] = []
    with listening(place, kind) as listener:
        files.audit_to_syslog(warnings.append, "sasl add", [(text, text)])
        with listener.accept()[0] if kind == socket.SOCK_STREAM else listener as end:
            line = end.recv(1000).decode().removesuffix("\0")
    assert line.isprintable()
    assert LINE.fullmatch(line)
    assert warnings == []


def test_a_line_without_end_is_cut(place: Path) -> None:
    with listening(place, socket.SOCK_DGRAM) as listener:
        assert tell(1, "x" * 1_000_000) == []
        assert len(listener.recv(10_000)) == syslog.MOST


class Reader(threading.Thread):
    """A daemon that begins to read when it is told to."""

    def __init__(self, listener: socket.socket, count: int) -> None:
        super().__init__(daemon=True)
        self._listener, self._count = listener, count
        self.octets = b""
        self.start()

    def run(self) -> None:
        if self._listener.type == socket.SOCK_DGRAM:
            while self._listener.recv(1000) != b"other":
                pass
            self.octets = b"".join(self._listener.recv(1000) + b"\0" for _ in range(self._count))
            return
        with self._listener.accept()[0] as end:
            while part := end.recv(65536):
                self.octets += part


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_daemon_slower_than_a_batch_gets_it_whole_and_in_order(
    place: Path, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "PATIENCE", 600.0)
    monkeypatch.setattr(syslog.Log, "patience", 600.0)
    with listening(place, kind) as listener:
        if kind == socket.SOCK_DGRAM:
            with socket.socket(socket.AF_UNIX, kind) as sender:
                sender.setblocking(False)
                sender.connect(str(place))
                fill(sender, b"some")
                listener.recv(1000)
                sender.send(b"other")
        reader = Reader(listener, 20_000)
        assert tell(20_000) == []
        reader.join()
    found = re.findall(r"sasl add (joe[0-9]+) by root\0", reader.octets.decode())
    assert found == [f"joe{number}" for number in range(20_000)]


def test_the_patience_is_that_of_the_process_until_a_line_is_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog.Log, "patience", 0.01)
    with listening(place, socket.SOCK_DGRAM) as listener:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(str(place))
            fill(sender, b"other")
        assert len(tell(2)) == 1
        assert syslog.Log.patience == 0
        assert len(tell(2)) == 1
        while select.select([listener], [], [], 0)[0]:
            listener.recv(1000)
        assert tell(2) == []
        assert syslog.Log.patience == syslog.PATIENCE


def test_a_daemon_that_is_started_again_gets_the_lines(place: Path) -> None:
    warnings: list[str] = []
    with files.syslog_of_run(warnings.append):
        with listening(place, socket.SOCK_DGRAM) as first:
            files.audit_to_syslog(warnings.append, "sasl add", [("joe", "")])
            assert b"joe" in first.recv(1000)
        place.unlink()
        with listening(place, socket.SOCK_STREAM) as second:
            files.audit_to_syslog(warnings.append, "sasl add", [("sue", "")])
            with second.accept()[0] as end:
                assert end.recv(1000).endswith(b"sasl add sue by root\0")
    assert warnings == []


def test_a_run_that_is_interrupted_while_it_waits_says_what_is_lost(
    inside: Admin, daemon: Daemon, tmp_path: Path
) -> None:
    daemon.stop()
    words = ("strace", "-f", "-o", "/dev/null", "-e", "trace=poll", "-e", "inject=poll:signal=INT:when=1")
    done = subprocess.run(
        inside.behind(*inside.prefix, *words).command(*ADD), capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert f"not logged: {ADDED}" in done.stderr
    assert "Traceback" not in done.stderr
