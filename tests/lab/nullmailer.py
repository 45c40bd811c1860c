"""Debian's nullmailer on a host of the lab."""

import os
from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, own, write
from lab.process import LabError
from lab.sender import message

SPOOL = "var/spool/nullmailer"
DAEMON = ("setpriv", "--reuid=mail", "--regid=mail", "--clear-groups", "/usr/sbin/nullmailer-send")
"""As the unit file of the package runs it."""


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the package do."""
    directory(layer / "etc/nullmailer")
    directory(layer / SPOOL, 0o755, "mail", "root")
    directory(layer / SPOOL / "failed", 0o755, "mail", "root")
    for name in ("queue", "tmp"):
        directory(layer / SPOOL / name, 0o750, "mail", "root")
    os.mkfifo(layer / SPOOL / "trigger")
    own(layer / SPOOL / "trigger", 0o622, "mail", "root")
    write(layer / "etc/nullmailer/pausetime", "0\n")


NULLMAILER = Software(("nullmailer",), _lay)


class Nullmailer:
    """A queue, and a daemon that the lab lets go through it once."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`; what could not be sent is taken out of the queue."""
        self.host.run(
            ("nullmailer-inject", "-f", sender, recipient), stdin=message(self.host, sender, recipient)
        )
        said = self.host.run(("sh", "-c", " ".join(("exec", *DAEMON, "2>&1"))))
        left = [path for name in ("queue", "failed") for path in self.host.path(f"/{SPOOL}/{name}").iterdir()]
        for path in left:
            path.unlink()
        if left or "Sent file" not in said:
            raise LabError(said)
        return said
