"""Debian's sshd and sudo beside other software on a host of the lab, and an account for other hosts."""

from pathlib import Path

from lab.host import Host
from lab.layer import Software, directory
from lab.process import LabError
from lab.program import put_program

LOGIN = "smtpcreds"
AUTHORIZED_KEYS = "/etc/ssh/smtpcreds_keys"
_CONFIG = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin forced-commands-only
AuthorizedKeysFile {AUTHORIZED_KEYS}
"""
RULE = f"{LOGIN} ALL=(root) NOPASSWD: /usr/local/bin/smtpcreds ^bundle [a-z0-9.-]+ --serve$\n"


def with_sshd(software: Software) -> Software:
    """Return the software with sshd and sudo beside it."""

    def lay(unpacked: Path, layer: Path) -> None:
        software.lay(unpacked, layer)
        directory(layer / "run/sshd")
        directory(layer / "etc/ssh")

    return Software((*software.packages, "openssh-server", "sudo"), lay)


class Sshd:
    """The daemon of one host; it can be stopped, and come back with another key."""

    def __init__(self, host: Host) -> None:
        self.host = host
        for file, line in (
            (
                "passwd",
                f"sshd:x:140:65534::/run/sshd:/usr/sbin/nologin\n{LOGIN}:x:141:141::/nonexistent:/bin/sh\n",
            ),
            ("group", f"{LOGIN}:x:141:\n"),
            ("shadow", f"sshd:*:19000:0:99999:7:::\n{LOGIN}:*:19000:0:99999:7:::\n"),
        ):
            path = host.path(f"/etc/{file}")
            path.write_text(path.read_text() + line)
        put_program(host)
        host.write("/etc/ssh/sshd_config", _CONFIG)
        host.write("/etc/sudoers.d/smtpcreds", RULE, 0o440)
        host.write(
            "/etc/pam.d/sudo",
            "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
        )
        self.new_key()

    def new_key(self) -> None:
        """Give it another host key."""
        self.host.shell(
            "rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"
        )

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.host.run(("/usr/sbin/sshd",))
        self.host.await_port(22)

    def stop(self) -> None:
        """End it, and wait until nothing listens."""
        self.host.shell("kill $(cat /run/sshd.pid); while [ -e /run/sshd.pid ]; do sleep 0.05; done")


__all__ = ["AUTHORIZED_KEYS", "LOGIN", "LabError", "Sshd", "with_sshd"]
