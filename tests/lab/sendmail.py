"""Debian's sendmail on a host of the lab."""

import mailbox
import re
import shutil
import uuid
from pathlib import Path

from lab import mc
from lab.host import Host
from lab.layer import Software, directory, own, write

PROGRAM = "usr/libexec/sendmail/sendmail"
ALTERNATIVES = ("sbin/sendmail", "sbin/sendmail-mta", "sbin/sendmail-msp", "sbin/newaliases", "bin/mailq")
DIRECTORIES = (
    ("etc/mail", 0o2755, "smmta", "smmsp"),
    ("etc/mail/m4", 0o2755, "smmta", "smmsp"),
    ("var/mail", 0o3777, "root", "mail"),
    ("var/lib/sendmail", 0o2751, "smmta", "smmsp"),
    ("var/lib/sendmail/host_status", 0o2775, "root", "smmsp"),
    ("var/spool/mqueue", 0o2750, "smmta", "smmsp"),
    ("var/spool/mqueue-client", 0o2770, "smmsp", "smmsp"),
    ("run/sendmail", 0o2755, "root", "smmta"),
    ("run/sendmail/mta", 0o2755, "smmta", "smmsp"),
    ("run/sendmail/msp", 0o2775, "smmsp", "smmsp"),
    ("run/sendmail/stampdir", 0o2775, "root", "smmsp"),
)
"""As /usr/share/sendmail/update_sys of sendmail-base 8.17.1.9-2+deb12u2 makes them."""

EMPTY_FILES = ("aliases", "local-host-names", "m4/dialup.m4", "m4/provider.m4")
"""Files in /etc/mail that Debian's own sendmail.mc refers to."""

PID_FILE = "/run/sendmail/mta/sendmail.pid"
STARTING = r"sm-mta.*: starting daemon"
NO_DNS = "hosts files\naliases files\n"


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the packages do, without DNS."""
    for name, mode, user, group in DIRECTORIES:
        directory(layer / name, mode, user, group)
    for name in EMPTY_FILES:
        write(layer / "etc/mail" / name, "")
    write(layer / "etc/mail/service.switch", NO_DNS)
    directory((layer / PROGRAM).parent)
    shutil.copyfile(unpacked / PROGRAM, layer / PROGRAM)
    own(layer / PROGRAM, 0o2755, "root", "smmsp")
    for name in ALTERNATIVES:
        link = layer / "usr" / name
        directory(link.parent)
        link.symlink_to(f"/{PROGRAM}")


SENDMAIL = Software(("sendmail-bin", "sendmail-base", "sendmail-cf"), _lay)


class Sendmail:
    """The daemon and the submission program of one host; its log lines carry the tag sm-mta."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.log = host.log

    def start(self, text: str, *, default_auth_info: bool = False) -> None:
        """Compile /etc/mail/sendmail.mc and start the daemon on port 25.

        Args:
            text: the whole sendmail.mc.
            default_auth_info: take the ruleset away that keeps sendmail from reading that file.
        """
        cf = self._compile("/etc/mail/sendmail.mc", text)
        self.host.write("/etc/mail/sendmail.cf", mc.without_authinfo(cf) if default_auth_info else cf)
        self.host.run(("newaliases",))
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.await_daemon()

    def await_daemon(self, port: int = 25) -> None:
        """Wait until it listens, and has written its process number, which it does after that."""
        self.host.await_port(port)
        self.host.await_process(PID_FILE)

    def reload(self) -> None:
        """Make the daemon read its configuration, certificates and CRLs again, and wait until it did."""
        starts = len(self.log.find(STARTING))
        self.host.run(("sh", "-c", f"kill -HUP $(head -n 1 {PID_FILE})"))
        self.log.wait(STARTING, starts + 1)
        self.await_daemon()

    def _compile(self, path: str, text: str) -> str:
        self.host.write(path, text)
        return self.host.run(("m4", path))

    def send(self, sender: str, recipient: str, text: str = "Rosamunde") -> str:
        """Submit a message as a user of the host would, and return the daemon's log line on its delivery."""
        identity = f"<{uuid.uuid4().hex}@{self.host.name}>"
        message = f"From: {sender}\nTo: {recipient}\nMessage-ID: {identity}\nSubject: polka\n\n{text}\n"
        if not self.host.path("/etc/mail/submit.cf").exists():
            stock = self.host.path("/usr/share/sendmail/cf/debian/submit.mc").read_text()
            self.host.write("/etc/mail/submit.cf", self._compile("/etc/mail/submit.mc", stock))
        at_once = ("-O", "QueueLA=999")  # whatever the load of this machine
        self.host.run(("/usr/sbin/sendmail", *at_once, "-i", "-f", sender, recipient), stdin=message)
        queued = self.log.wait(rf"sm-mta\[\d+\]: (\w+): from=.*msgid={re.escape(identity)}")
        return self.log.wait(rf"sm-mta\[\d+\]: {queued[1]}: to=.*stat=.*").string

    def mailbox(self, user: str) -> list[mailbox.mboxMessage]:
        """Return the messages that the local mailer has delivered to `user`."""
        box = mailbox.mbox(self.host.path(f"/var/mail/{user}"), create=False)
        try:
            return list(box)
        finally:
            box.close()
