"""Debian's DragonFly Mail Agent on a host of the lab."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, write
from lab.process import LabError
from lab.sender import message

SPOOL = "var/spool/dma"
PID_FILE = "/run/dma.pid"
DEFERRED = "remote delivery (failed|deferred)|could not deliver|fingerprints do not match"
END = f"delivery (successful|deferred)|{DEFERRED}"


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the package do."""
    directory(layer / SPOOL, 0o2770, "root", "mail")
    directory(layer / "etc/dma")
    write(layer / "etc/dma/dma.conf", (unpacked / "usr/share/dma/dma.conf").read_text())


DMA = Software(("dma",), _lay)


class Dma:
    """A command that logs to syslog, and after a failure sleeps until it tries again."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`; what could not be sent is taken out of the queue."""
        before, ends = len(self.host.log.lines), len(self.host.log.find(END))
        self.host.write("/run/message", message(self.host, sender, recipient))
        command = f"dma -D -f {sender} {recipient} < /run/message"
        self.host.run(("sh", "-c", f"{command} >/dev/null 2>&1 & echo $! > {PID_FILE}"))
        self.host.log.wait(END, ends + 1)
        self.host.run(("sh", "-c", f"kill $(cat {PID_FILE}) || true"))
        said = "\n".join(self.host.log.lines[before:])
        left = list(self.host.path(f"/{SPOOL}").iterdir())
        for path in left:
            path.unlink()
        if "delivery successful" not in said:
            raise LabError(said)
        return said
