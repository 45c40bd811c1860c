"""Debian's Exim on a host of the lab."""

import os
import re
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory, own, write
from lab.process import PATIENCE, LabError

PROGRAM = "usr/sbin/exim4"
OTHER_BUILD = "SMTPCREDS_EXIM"
"""Path of a program to run in place of Debian's, which is built on GnuTLS: see tests/exim-openssl."""
USER = "Debian-exim"
DIRECTORIES = (
    ("etc/exim4", 0o755, "root", "root"),
    ("run/exim4", 0o750, USER, USER),
    ("var/lib/exim4", 0o755, "root", "root"),
    ("var/log/exim4", 0o2750, USER, "adm"),
    ("var/mail", 0o2775, "root", "mail"),
    ("var/spool/exim4", 0o750, USER, USER),
    ("var/spool/exim4/db", 0o750, USER, USER),
    ("var/spool/exim4/input", 0o750, USER, USER),
    ("var/spool/exim4/msglog", 0o750, USER, USER),
)
"""As the install scripts of exim4-base 4.96 make them."""

TO_SYSLOG = "log_file_path = syslog\nsyslog_timestamp = false\n"
"""Options that leave nothing out of the lab's log; they stand in the main section."""

ANSWERS = "/etc/exim4/update-exim4.conf.conf"
MACROS = "/etc/exim4/exim4.conf.localmacros"
SPLIT_MACROS = "/etc/exim4/conf.d/main/00_localmacros"


def _lay(unpacked: Path, layer: Path) -> None:
    """Do what the install scripts of the packages do, and let Exim tell syslog."""
    for name, mode, user, group in DIRECTORIES:
        directory(layer / name, mode, user, group)
    write(layer / "etc/aliases", "")
    for name in (MACROS, SPLIT_MACROS):
        directory((layer / name.lstrip("/")).parent)
        write(layer / name.lstrip("/"), TO_SYSLOG)
    directory((layer / PROGRAM).parent)
    shutil.copyfile(os.environ.get(OTHER_BUILD) or unpacked / PROGRAM, layer / PROGRAM)
    own(layer / PROGRAM, 0o4755, "root", "root")


EXIM = Software(("exim4-daemon-heavy", "exim4-base", "exim4-config"), _lay)

PID_FILE = "/run/exim4/exim.pid"
STARTED = r"exim 4[.\d]+ daemon started"
"""Logged when it listens and has written its process number."""


def await_start(host: Host, pattern: str = STARTED, nth: int = 1) -> None:
    """Wait for the line of a start after SIGHUP, which is sent again where it found the daemon on its way.

    While it starts, and between its look for a signal and its poll(2), it takes no notice of one.
    """
    while not host.log.comes(pattern, nth, 10):
        host.await_process(PID_FILE)
        host.shell(f"kill -HUP $(cat {PID_FILE})")


class Exim:
    """The daemon and the submission program of one host; it is told to log to syslog."""

    def __init__(self, host: Host, *, split: bool = False, smart_host: str = "", networks: str = "") -> None:
        self.host = host
        self.log = host.log
        kind = "smarthost" if smart_host else "internet"
        answers = {
            "dc_eximconfig_configtype": kind,
            "dc_smarthost": smart_host,
            "dc_other_hostnames": host.name,
            "dc_local_interfaces": "",
            "dc_relay_nets": networks,
            "dc_use_split_config": "true" if split else "false",
            "dc_localdelivery": "mail_spool",
            "dc_minimaldns": "true",
        }
        text = "".join(f"{name}='{value}'\n" for name, value in answers.items())
        host.write(ANSWERS, text)

    def generate(self) -> None:
        """Make the configuration."""
        self.host.run(("update-exim4.conf",))

    def start(self) -> None:
        """Make the configuration and start the daemon on port 25."""
        self.generate()
        starts = self.starts()
        self.host.run(("/usr/sbin/exim4", "-bd", "-oP", PID_FILE))
        self.log.wait(STARTED, starts + 1)
        self.host.await_port(25)

    def starts(self) -> int:
        """Return how often the daemon has started so far."""
        return len(self.log.find(STARTED))

    def reload(self) -> None:
        """Make the configuration, and tell the daemon; it starts anew, which is not waited for."""
        self.generate()
        self.host.await_process(PID_FILE)
        self.host.shell(f"kill -HUP $(cat {PID_FILE})")

    def stop(self) -> None:
        """End it, and wait until its last process is gone, which takes the file of its number away."""
        self.host.shell(f"kill $(cat {PID_FILE})")
        self._await_processes(0)

    def forget_failures(self) -> None:
        """Let the next message to a host that failed be tried at once, not after a quarter of an hour."""
        for path in self.host.path("/var/spool/exim4/db").iterdir():
            path.unlink()

    def send(self, sender: str, recipient: str, text: str = "Rosamunde") -> str:
        """Submit a message as a user of the host would, and return the log line on its first delivery."""
        identity = f"{uuid.uuid4().hex}@{self.host.name}"
        message = f"From: {sender}\nTo: {recipient}\nMessage-ID: <{identity}>\nSubject: polka\n\n{text}\n"
        self.host.run(("/usr/sbin/exim4", "-i", "-f", sender, recipient), stdin=message)
        queued = self.log.wait(rf"exim\[\d+\]: (\S+) <= .* id={re.escape(identity)}")
        return self.log.wait(rf"{queued[1]} (?:=>|==|\*\*) .*").string

    def settle(self) -> None:
        """Wait until the daemon is alone: what earlier sessions began is over, deliveries too."""
        self._await_processes(1)

    def _await_processes(self, most: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(self._processes()) > most:
            if time.monotonic() > deadline:
                raise LabError("Exim does not come to rest; log:\n" + "\n".join(self.log.lines))
            time.sleep(0.01)

    def _processes(self) -> list[str]:
        """Return the names under which its processes run."""
        found = []
        for path in self.host.path("/proc").glob("[0-9]*/comm"):
            with suppress(OSError):  # it has ended
                found.append(path.read_text())
        return [name for name in found if name.startswith("exim")]
