"""Debian's msmtp on a host of the lab."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software
from lab.sender import message


def _lay(unpacked: Path, layer: Path) -> None:
    """Do nothing: msmtp has no users and no directories of its own."""


MSMTP = Software(("msmtp",), _lay)


class Msmtp:
    """A command; its exit status tells what became of the message."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`."""
        command = ("msmtp", f"--from={sender}", recipient)
        return self.host.run(command, stdin=message(self.host, sender, recipient))
