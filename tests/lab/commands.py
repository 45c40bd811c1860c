"""Debian's curl and swaks on a host of the lab: commands that read all they need from one file."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software
from lab.sender import message


def _lay(unpacked: Path, layer: Path) -> None:
    """Do nothing: the packages have no install scripts to speak of."""


CURL = Software(("curl",), _lay)
SWAKS = Software(("swaks", "libnet-ssleay-perl"), _lay)


class Curl:
    """``curl -K``, with its usage as ``mta apply`` prints it."""

    def __init__(self, host: Host, usage: str) -> None:
        self.host = host
        self.usage = usage

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`."""
        words = {"SENDER": sender, "RECIPIENT": recipient, "MESSAGE": "-"}
        command = tuple(words.get(word, word) for word in self.usage.split())
        return self.host.run((*command, "-sS"), stdin=message(self.host, sender, recipient))


class Swaks:
    """``swaks --config``, with its usage as ``mta apply`` prints it."""

    def __init__(self, host: Host, usage: str) -> None:
        self.host = host
        self.usage = usage

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`."""
        words = {"SENDER": sender, "RECIPIENT": recipient}
        return self.host.run(tuple(words.get(word, word) for word in self.usage.split()))
