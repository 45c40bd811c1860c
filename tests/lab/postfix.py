"""Debian's Postfix on a host of the lab, as its install scripts and its unit leave it: chrooted."""

import re
import shutil
import time
import uuid
from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, own, write
from lab.process import PATIENCE

SHARE = "usr/share/postfix"
SET_GROUP_ID = ("postdrop", "postqueue")
QUEUE = "var/spool/postfix"
INSTANCE = "/usr/lib/postfix/configure-instance.sh"
RELOADED = r"postfix/master\[\d+\]: reload "

SKELETON = """\
compatibility_level = 3.6
myhostname = {name}
mydestination = {name}, localhost
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_loglevel = 1
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
minimal_backoff_time = 1s
queue_run_delay = 1s
"""
"""Debian's questions answered, lines of Debian's that ours have to win against, no DNS, and a log of TLS."""


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install script of the package does."""
    directory(layer / "etc/postfix")
    shutil.copyfile(unpacked / SHARE / "master.cf.dist", layer / "etc/postfix/master.cf")
    write(layer / "etc/postfix/dynamicmaps.cf", "lmdb\tpostfix-lmdb.so\tdict_lmdb_open\tmkmap_lmdb_open\n")
    directory(layer / "usr/sbin")
    for name in SET_GROUP_ID:
        shutil.copyfile(unpacked / "usr/sbin" / name, layer / "usr/sbin" / name)
        own(layer / "usr/sbin" / name, 0o2555, "root", "postdrop")
    directory(layer / "var/lib/postfix", 0o755, "postfix", "postfix")


POSTFIX = Software(("postfix", "postfix-lmdb"), _lay)


class Postfix:
    """The daemons and the submission program of one host; their log lines carry tags like postfix/smtpd."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.log = host.log

    def configure(self, lines: str = "") -> None:
        """Write a main.cf that has the `lines` at its end."""
        self.host.write("/etc/postfix/main.cf", SKELETON.format(name=self.host.name) + lines)

    def settle(self) -> None:
        """Let all files look as if written long ago: Postfix waits for up to two seconds for a fresh one."""
        self.host.run(("sh", "-c", "find /etc/postfix -type f -exec touch -d 1999-09-09 {} +"))

    def start(self) -> None:
        """Fill the chroot as Debian's unit does, and start the daemons."""
        self.settle()
        self.host.run(("sh", "-c", f"{INSTANCE} -; newaliases; postfix start"))
        self.host.await_port(25)

    def reload(self) -> None:
        """Make the daemons read their configuration and tables again, and wait until they do."""
        self.settle()
        reloads, before = len(self.log.find(RELOADED)), self._servers()
        self.host.run(("postfix", "reload"))
        self.log.wait(RELOADED, reloads + 1)
        deadline = time.monotonic() + PATIENCE
        while before & self._servers() and time.monotonic() < deadline:
            time.sleep(0.02)  # one that waits for a client serves it by the configuration of before

    def _servers(self) -> set[str]:
        """Return the processes that speak SMTP."""
        script = (
            "for p in /proc/[0-9]*; do read n < $p/comm && [ -e $p/exe ] &&"
            " case $n in smtp|smtpd) echo $p;; esac; done; true"
        )
        return set(self.host.run(("sh", "-c", f"({script}) 2>/dev/null")).split())

    def send(self, sender: str, recipient: str, text: str = "Rosamunde") -> str:
        """Submit a message as a user of the host would, and return the log line on its (first) delivery."""
        identity = f"<{uuid.uuid4().hex}@{self.host.name}>"
        message = f"From: {sender}\nTo: {recipient}\nMessage-ID: {identity}\nSubject: polka\n\n{text}\n"
        self.host.run(("/usr/sbin/sendmail", "-i", "-f", sender, recipient), stdin=message)
        queued = self.log.wait(rf"cleanup\[\d+\]: (\w+): message-id={re.escape(identity)}")
        return self.log.wait(rf"\]: {queued[1]}: to=.*status=.*").string
