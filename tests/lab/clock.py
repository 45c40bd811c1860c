"""The clocks of the lab's hosts, which can be put forward while everything runs."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from lab.host import Host
from lab.process import run

SOURCE = Path(__file__).with_name("clock.c")
LIBRARY = "/usr/lib/clock.so"
PLACE = "/run/clock"


class Clock:
    """One clock for several hosts: for all programs there, those that run, too."""

    def __init__(self, hosts: Sequence[Host], directory: Path) -> None:
        """Compile it into the directory; start no program on the hosts before."""
        library = directory / "clock.so"
        run(("gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)))
        self._places = [host.path(PLACE) for host in hosts]
        self.put_forward(timedelta(0))
        for host in hosts:
            host.path(LIBRARY).write_bytes(library.read_bytes())
            host.path(LIBRARY).chmod(0o755)
            host.write("/etc/ld.so.preload", f"{LIBRARY}\n")

    def put_forward(self, ahead: timedelta) -> None:
        """Let all hosts be so much ahead of this machine."""
        octets = int(ahead.total_seconds()).to_bytes(8, "little", signed=True)
        for place in self._places:
            place.touch()
            with place.open("r+b") as file:
                file.write(octets)
