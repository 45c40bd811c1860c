"""Debian's OpenSMTPD on a host of the lab."""

import shutil
from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, own
from lab.process import LabError
from lab.sender import message

CONTROL = "usr/sbin/smtpctl"
ALTERNATIVES = ("sbin/sendmail", "sbin/newaliases", "bin/mailq")
PID_FILE = "/run/smtpd.pid"
RESULT = r"mta (delivery .*result|error reason)="
EXIT = r"smtpd\[\d+\]: Exiting"


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the package do."""
    directory(layer / "var/lib/opensmtpd/empty")
    directory(layer / "var/spool/smtpd", 0o711)
    directory((layer / CONTROL).parent)
    shutil.copyfile(unpacked / CONTROL, layer / CONTROL)
    own(layer / CONTROL, 0o2755, "root", "opensmtpq")
    (layer / "etc/aliases").write_text("")
    for name in ALTERNATIVES:
        link = layer / "usr" / name
        directory(link.parent)
        link.symlink_to(f"/{CONTROL}")


OPENSMTPD = Software(("opensmtpd",), _lay)


class OpenSmtpd:
    """The daemon, started anew for each message, so that it reads its files again and has no queue."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def send(self, sender: str, recipient: str) -> str:
        """See `lab.sender.Sender`."""
        self.host.run(("smtpd", "-n"))
        self.host.run(("sh", "-c", f"smtpd -F >/dev/null 2>&1 & echo $! > {PID_FILE}"))
        self.host.await_port(25)
        try:
            return self._send(sender, recipient)
        finally:
            self._stop()

    def _send(self, sender: str, recipient: str) -> str:
        before = len(self.host.log.find(RESULT))
        self.host.run(("sendmail", "-f", sender, recipient), stdin=message(self.host, sender, recipient))
        result = self.host.log.wait(RESULT, before + 1).string
        if 'result="Ok"' not in result:
            raise LabError("\n".join([*self.host.log.lines[-12:], result]))
        return result

    def _stop(self) -> None:
        exits = len(self.host.log.find(EXIT))
        self.host.run(("sh", "-c", f"kill $(cat {PID_FILE})"))
        self.host.log.wait(EXIT, exits + 1)
        shutil.rmtree(self.host.path("/var/spool/smtpd/queue"), ignore_errors=True)
