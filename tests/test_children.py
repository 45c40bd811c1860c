"""A signal that ends a run while it starts a child: the child ends, too."""

import subprocess
import sys

import pytest

STARTED = """\
import os, signal, sys
from smtpcreds import children, jobs

signal.signal(signal.SIGTERM, signal.default_int_handler)

def end_parent():
    os.kill(os.getppid(), signal.SIGTERM)

def end_this():
    os.kill(os.getpid(), signal.SIGTERM)

def running():
    with children.running(("sleep", "600"), preexec_fn=end_parent):
        print("began")

def run():
    children.run(("sleep", "600"), preexec_fn=end_parent)

def forked():
    os.register_at_fork(after_in_parent=end_this)
    for piece in jobs.shared(2, lambda number: os.kill(os.getpid(), signal.SIGSTOP), 2):
        print(piece)

try:
    {do}()
except KeyboardInterrupt:
    print("interrupted")
try:
    print(os.waitpid(-1, 0)[1])
except ChildProcessError:
    print("no child")
"""
"""A child is waited for in the end, so one that goes on is seen as a run that does not end."""


@pytest.mark.parametrize("do", ["running", "run", "forked"])
def test_a_signal_between_fork_and_exec_leaves_no_child(do: str) -> None:
    program = STARTED.replace("{do}", do)
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() in (["interrupted", "no child"], ["interrupted", "15"]), done.stderr


SIGNALS = """\
import signal
from smtpcreds.children import signals_held

noted = []
signal.signal(signal.SIGHUP, lambda got, _: noted.append(got))
signal.signal(signal.SIGINT, signal.SIG_IGN)
with signals_held():
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGINT)
    assert not noted
assert noted == [signal.SIGHUP]
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
with signals_held():
    signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_does_after_the_block_what_it_did_before() -> None:
    assert subprocess.run((sys.executable, "-c", SIGNALS), timeout=60).returncode == -15
