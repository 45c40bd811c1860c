"""The prompt on a real pseudo-terminal, in a child that has it as its controlling terminal."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CHILD = """
import os, signal, sys
os.open(sys.argv[1], os.O_RDWR)  # first terminal opened by a session leader: becomes the controlling one
from smtpcreds.errors import SmtpcredsError
from smtpcreds.sources import Context, parse_source, resolve
{before}
try:
    secret = resolve(parse_source("prompt:"), {context})
    print(repr(secret.reveal()))
except SmtpcredsError as error:
    print(error.exit_status, error, error.hint)
except KeyboardInterrupt:
    print("interrupted")
"""
SHELL = """
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
terminal = os.open("/dev/tty", os.O_RDWR)
job = os.fork()
if job:  # a shell with one job: in the foreground, stopped, in the foreground again
    os.waitpid(job, os.WUNTRACED)
    os.tcsetpgrp(terminal, os.getpgrp())
    os.write(terminal, b"stopped")
    assert os.read(terminal, 100) == b"fg\\n"
    os.tcsetpgrp(terminal, job)
    os.kill(job, signal.SIGCONT)
    os.waitpid(job, 0)
    os._exit(0)
os.setpgid(0, 0)
os.tcsetpgrp(terminal, os.getpgrp())
signal.signal(signal.SIGTTOU, signal.SIG_DFL)
"""
OLD = 'Context("passphrase")'
NEW = 'Context("passphrase", new=True)'
LONG = 4095
PATIENCE = 120
"""Seconds for what is bound to come."""


class Person:
    """Sees what the terminal shows, and types."""

    def __init__(self, context: str, before: str = "") -> None:
        self.master, self.terminal = os.openpty()
        code = CHILD.format(context=context, before=before)
        self.child = subprocess.Popen(
            [sys.executable, "-c", code, os.ttyname(self.terminal)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        self.screen = b""

    def sees(self, text: bytes) -> None:
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], PATIENCE)
            assert ready, f"{text!r} never came, only {self.screen!r}"
            self.screen += os.read(self.master, 4096)
        self.screen = self.screen.partition(text)[2]

    def types(self, line: bytes) -> None:
        os.write(self.master, line)

    def is_echoing(self) -> bool:
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def answer(self) -> str:
        out, err = self.child.communicate(timeout=PATIENCE)
        assert err == b""
        return out.decode().strip()

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.communicate()
        for stream in (self.child.stdout, self.child.stderr):
            if stream:
                stream.close()
        for descriptor in (self.master, self.terminal):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@contextlib.contextmanager
def person(context: str = OLD, before: str = "") -> Iterator[Person]:
    someone = Person(context, before)
    try:
        yield someone
    finally:
        someone.close()


def test_asked_once_without_echo() -> None:
    with person() as someone:
        someone.sees(b"Passphrase: ")
        assert not someone.is_echoing()
        someone.types("ge heim ä\n".encode())
        assert someone.answer() == repr("ge heim ä".encode())
        someone.sees(b"\n")
        assert someone.is_echoing()
        assert b"heim" not in someone.screen


def test_new_secret_is_asked_twice() -> None:
    with person(NEW) as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"geheim\n")
        someone.sees(b"Passphrase, again: ")
        someone.types(b"geheim\n")
        assert someone.answer() == "b'geheim'"


def test_entries_that_differ() -> None:
    with person(NEW) as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"geheim\n")
        someone.sees(b"again: ")
        someone.types(b"gehiem\n")
        assert someone.answer() == "65 passphrase: the two entries differ None"


def test_empty_answer() -> None:
    with person() as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"\n")
        assert someone.answer().startswith("66 passphrase: is empty")
    with person('Context("passphrase", may_be_empty=True)') as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"\n")
        assert someone.answer() == "b''"


def test_end_of_file() -> None:
    with person('Context("passphrase", may_be_empty=True)') as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"\x04")
        assert someone.answer().startswith("66 passphrase: the terminal was closed")


def test_line_that_the_terminal_cuts() -> None:
    with person() as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"x" * LONG + b"cut off")
        someone.types(b"\n")
        assert someone.answer().startswith("65 passphrase: is longer than a line")


def test_what_was_typed_ahead_is_dropped(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with person(before=f"import time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)") as someone:
        someone.types(b"typed ahead, on the screen\n")
        someone.sees(b"on the screen")
        go.touch()
        someone.sees(b"Passphrase: ")
        someone.types(b"geheim\n")
        assert someone.answer() == "b'geheim'"


def test_interrupt_key_gives_echo_back() -> None:
    with person() as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"gehe\x03")
        assert someone.answer() == "interrupted"
        assert someone.is_echoing()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_deadly_signals_give_echo_back(number: signal.Signals) -> None:
    with person(before="import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))") as someone:
        someone.sees(b"Passphrase: ")
        assert not someone.is_echoing()
        someone.child.send_signal(number)
        assert someone.answer() == ""
        assert someone.child.returncode == -number
        assert someone.is_echoing()


def test_stop_key_gives_echo_back_and_the_question_comes_again() -> None:
    with person(before=SHELL) as someone:
        someone.sees(b"Passphrase: ")
        assert not someone.is_echoing()
        someone.types(b"gehe\x1a")
        someone.sees(b"stopped")
        assert someone.is_echoing()
        someone.types(b"fg\n")
        someone.sees(b"Passphrase: ")
        assert not someone.is_echoing()
        someone.types(b"geheim\n")
        assert someone.answer() == "b'geheim'"
        assert someone.is_echoing()


def test_ignored_signals_stay_ignored() -> None:
    with person(before="signal.signal(signal.SIGHUP, signal.SIG_IGN)") as someone:
        someone.sees(b"Passphrase: ")
        someone.child.send_signal(signal.SIGHUP)
        someone.types(b"geheim\n")
        assert someone.answer() == "b'geheim'"


def test_handlers_of_the_program_run_after_echo_is_back() -> None:
    before = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))"
    with person(before=before) as someone:
        someone.sees(b"Passphrase: ")
        someone.child.send_signal(signal.SIGTERM)
        assert someone.answer() == ""
        assert someone.child.returncode == 9
        assert someone.is_echoing()


def test_without_terminal() -> None:
    code = CHILD.format(context=NEW, before="").replace("os.open(sys.argv[1], os.O_RDWR)", "pass")
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b"geheim\ngeheim\n",
        capture_output=True,
        cwd=ROOT,
        start_new_session=True,
        check=True,
    )
    assert done.stderr == b""
    assert done.stdout.startswith(b"69 prompt: there is no terminal to ask for the passphrase")
    assert b"credential:" in done.stdout


@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGHUP, signal.SIG_IGN)"])
def test_a_line_that_is_cut_off(before: str) -> None:
    """The terminal hangs up; whoever ignores that, as nohup(1) does, learns of it all the same."""
    with person(before=before) as someone:
        someone.sees(b"Passphrase: ")
        someone.types(b"half a pass")
        os.close(someone.terminal)
        os.close(someone.master)
        someone.terminal = someone.master = -1
        out, err = someone.child.communicate(timeout=PATIENCE)
        assert err == b""
        if before:
            assert out.startswith(b"66 passphrase: the terminal was closed before the line was complete")
        else:
            assert (someone.child.returncode, out) == (-signal.SIGHUP, b"")
