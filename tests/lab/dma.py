"""Debian's DragonFly Mail Agent on a host of the lab."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, write
from lab.process import LabError
from lab.sender import message

SPOOL = "var/spool/dma"
END = "delivery (successful|deferred)|remote delivery (failed|deferred)|could not deliver"


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the package do."""
    directory(layer / SPOOL, 0o2770, "root", "mail")
    directory(layer / "etc/dma")
    write(layer / "etc/dma/dma.conf", (unpacked / "usr/share/dma/dma.conf").read_text())


DMA = Software(("dma",), _lay)


class Dma:
    """A command that delivers while one waits, and logs to syslog."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`; what could not be sent is taken out of the queue."""
        before, ends = len(self.host.log.lines), len(self.host.log.find(END))
        self.host.run(("dma", "-D", "-f", sender, recipient), stdin=message(self.host, sender, recipient))
        self.host.log.wait(END, ends + 1)
        said = "\n".join(self.host.log.lines[before:])
        left = list(self.host.path(f"/{SPOOL}").iterdir())
        for path in left:
            path.unlink()
        if "delivery successful" not in said:
            raise LabError(said)
        return said
