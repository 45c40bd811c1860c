"""Private mounts, host name, network and processes, which end with their owner however it ends."""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.process import PATIENCE, LabError, run

CLONE_NEWNET = 0x40000000
NAMESPACES = ("--mount", "--uts", "--ipc", "--net")
libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """One set of Linux namespaces, prepared by a shell script that runs inside it as root.

    Its first process reads a pipe from this one: when the pipe closes, because of `close` or because this
    process died, that process ends, and the kernel kills the others and drops all mounts.
    """

    def __init__(self, script: str) -> None:
        program = f"set -e\n{script}\necho ready\nexec env --ignore-signal=CHLD cat"  # so none stays a zombie
        private = ("--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private")
        self._keeper = subprocess.Popen(
            ("unshare", *NAMESPACES, *private, "sh", "-c", program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self._keeper.pid
        self._await_ready()

    def _await_ready(self) -> None:
        assert self._keeper.stdout
        said = []
        for line in self._keeper.stdout:
            if line == "ready\n":
                return
            said.append(line)
        self.close()
        raise LabError("cannot make a private namespace (it needs CAP_SYS_ADMIN):\n" + "".join(said))

    def close(self) -> None:
        """Kill every process in it and wait until it is gone."""
        assert self._keeper.stdin
        assert self._keeper.stdout
        self._keeper.stdin.close()
        self._keeper.stdout.close()
        try:
            self._keeper.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()

    def command(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return the command line that runs `argv` inside, with / as the working directory."""
        processes = f"--pid=/proc/{self.pid}/ns/pid_for_children"
        return ("nsenter", f"--target={self.pid}", *NAMESPACES, processes, "--", *argv)

    def run(self, argv: Sequence[str], *, stdin: str = "") -> str:
        """Run `argv` inside, as `lab.process.run` does."""
        return run(self.command(argv), stdin=stdin)

    def path(self, inside: str) -> Path:
        """Return the path by which this process reaches the file `inside`; absolute links mislead."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    @contextmanager
    def network(self) -> Iterator[None]:
        """Let sockets that the calling thread makes in this block belong to the namespace's network."""
        with (
            Path("/proc/thread-self/ns/net").open() as here,
            Path(f"/proc/{self.pid}/ns/net").open() as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def listens(self, port: int) -> bool:
        """Tell whether an IPv4 TCP socket listens on `port`, without connecting to it."""
        sockets = Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        return any(f[1].endswith(f":{port:04X}") and f[3] == "0A" for f in map(str.split, sockets))


def _enter(descriptor: int) -> None:
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
