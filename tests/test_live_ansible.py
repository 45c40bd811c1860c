"""The role of contrib/ansible, run by Ansible over ssh: a hub, a client host, and a message relayed."""

import os
import re
import shutil
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

import pytest
from admin import HUB, TOP
from lab import SENDMAIL, Host, Lab
from lab.msmtp import MSMTP
from lab.program import put_program
from lab.sshd import AUTHORIZED_KEYS, Sshd, with_sshd
from mail_hosts import CLIENT, FOREIGN, SENDER
from test_live_first_walk import StockHost

pytestmark = pytest.mark.live
ROLE = TOP / "contrib/ansible"
PASSPHRASE = "Rosamunde of the hills"
PATIENCE = 300
INVENTORY = """\
[hub]
{hub} ansible_host={hub_address} smtpcreds_passphrase=file:/etc/smtpcreds/ca-passphrase
[clients]
{client} ansible_host={client_address}
[all:vars]
ansible_user=root
ansible_become=false
ansible_python_interpreter=/usr/bin/python3
ansible_remote_tmp=/var/tmp/ansible
ansible_ssh_transfer_method=piped
ansible_ssh_private_key_file={key}
ansible_ssh_common_args=-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
smtpcreds_hub={hub}
smtpcreds_mta=sendmail
smtpcreds_edit=true
smtpcreds_timers=[]
"""
ALONE = """\
[hub]
{hub}
[clients]
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter=/usr/bin/python3
ansible_remote_tmp=/var/tmp/ansible
smtpcreds_hub={hub}
smtpcreds_package={package}
smtpcreds_reload=systemctl try-reload-or-restart sendmail
smtpcreds_passphrase=file:/etc/smtpcreds/ca-passphrase
"""
TWICE = """\
- hosts: hub
  gather_facts: false
  vars: {{smtpcreds_role: hub}}
  tasks:
    - {{name: Once, include_role: {{name: "{role}"}}}}
    - {{name: Once more, include_role: {{name: "{role}"}}}}
"""
CONTROL = """\
Package: smtpcreds
Version: 0.1.0
Architecture: all
Maintainer: Rosamunde <root@polkatistas.org>
Description: the units of contrib, and nothing that Debian 12 has too old
"""
RECAP = re.compile(r"^(\S+) +: .*\bchanged=(\d+) .*\bfailed=0 ", re.MULTILINE)


@dataclass
class Play:
    """Ansible on a host of the lab, which reaches the others by ssh.

    Attributes:
        control: where it runs.
        place: its own files.
        said: all that it printed, with -vvv and --diff.
    """

    control: Host
    place: Path
    said: str = ""

    def __call__(self, *words: str, status: int = 0) -> dict[str, int]:
        """Run the play; return how many tasks of each host changed something, of those where none failed."""
        inventory = str(self.place / "inventory.ini")
        command = ("ansible-playbook", "-vvv", "--diff", "-i", inventory, str(ROLE / "site.yml"), *words)
        done = subprocess.run(
            self.control.namespace.command(command),
            env=os.environ
            | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(self.place), "ANSIBLE_PIPELINING": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == status, done.stdout + done.stderr
        self.said += done.stdout + done.stderr
        return {name: int(changed) for name, changed in RECAP.findall(done.stdout)}


def reachable(host: StockHost, key: Path) -> StockHost:
    """Let root in by ssh, with a key; smtpcreds is installed."""
    sshd = Sshd(host.host)
    config = host.text("/etc/ssh/sshd_config")
    host.host.write("/etc/ssh/sshd_config", config.replace("forced-commands-only", "prohibit-password"))
    host.host.write(AUTHORIZED_KEYS, key.with_suffix(".pub").read_text())
    host.host.shell(
        f"mkdir -p /run/checkout && mount --bind {TOP} /run/checkout && mount -t tmpfs -o mode=1777 own /tmp"
        f" && mkdir -p {TOP} && mount --bind /run/checkout {TOP}"  # which may be below /tmp itself
    )
    sshd.start()
    return host


def files(host: StockHost) -> str:
    """Return the digests of all that smtpcreds and the mail program have, but not what Ansible looked at."""
    places = "/etc/mail /etc/sasl2 /etc/sasldb2 /etc/smtpcreds /var/lib/smtpcreds"
    return host.host.shell(f"find {places} -type f -exec sha256sum {{}} + 2> /dev/null | sort")


def test_a_hub_and_a_client_host_relay_and_a_second_run_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key), check=True)
    software = with_sshd(SENDMAIL)
    hub = reachable(StockHost(lab, HUB, lab.sink.address, software), key)
    attic = reachable(StockHost(lab, CLIENT, software=software), key)
    hub.host.run(("mkdir", "-m", "755", "/etc/smtpcreds"))
    hub.host.write("/etc/smtpcreds/ca-passphrase", PASSPHRASE + "\n", 0o600)
    addresses = {"hub_address": hub.host.address, "client_address": attic.host.address}
    text = INVENTORY.format(hub=HUB, client=CLIENT, key=key, **addresses)
    (tmp_path / "inventory.ini").write_text(text)
    play = Play(lab.host("control.example.net", SENDMAIL), tmp_path)

    before = files(hub) + files(attic)
    assert play("--check") == {HUB: 1, CLIENT: 1}
    assert files(hub) + files(attic) == before
    mc = attic.text("/etc/mail/sendmail.mc")
    attic.host.write("/etc/mail/sendmail.mc", mc + "O NoSuchOption=1\n")
    assert play(status=2) == {HUB: 1}, (
        "the client host has its files, and a sendmail.mc that Sendmail refuses"
    )
    text = attic.text("/etc/mail/sendmail.mc")
    attic.host.write("/etc/mail/sendmail.mc", text.replace("O NoSuchOption=1\n", ""))
    assert play() == {HUB: 0, CLIENT: 1}
    hub.log.wait("sm-mta.*starting daemon", 2)
    attic.log.wait("sm-mta.*starting daemon", 2)
    hub.host.await_port(25)
    assert "stat=Sent" in attic.sendmail.send(SENDER, FOREIGN)
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)

    before = files(hub) + files(attic)
    assert play() == {HUB: 0, CLIENT: 0}
    assert files(hub) + files(attic) == before
    hub.host.run(("rm", "/etc/mail/smtpcreds/hub.m4"))
    attic.host.run(("rm", "/etc/mail/certs/attic-cert.pem"))
    assert play("--check") == {HUB: 1, CLIENT: 1}
    assert not hub.host.path("/etc/mail/smtpcreds/hub.m4").exists()

    secret = attic.text("/etc/mail/default-auth-info").splitlines()[2]
    told = play.said + "\n".join([*hub.log.lines, *attic.log.lines])
    assert "Invoked with" in told, "what modules do is in the log of each host"
    coded = b64encode(attic.host.path("/etc/mail/default-auth-info").read_bytes()).decode()
    for private in (secret, PASSPHRASE, "PRIVATE KEY", coded[:40]):
        assert private not in told
    for host in (hub, attic):
        assert host.host.shell("find /tmp -xdev -name 'smtpcreds-*'") == ""


def test_the_package_is_installed_and_its_timer_enabled_once(lab: Lab, tmp_path: Path) -> None:
    """As far as that goes without a running systemd, which contrib/systemd/try has."""
    tree, package = tmp_path / "tree", tmp_path / "smtpcreds_0.1.0_all.deb"
    shutil.copytree(TOP / "contrib/systemd", tree / "usr/lib/systemd/system")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(CONTROL)
    subprocess.run(("dpkg-deb", "--root-owner-group", "-b", tree, package), check=True, capture_output=True)
    hub = lab.host(HUB, MSMTP)
    put_program(hub)
    hub.write("/var/lib/dpkg/statoverride", "")  # of users that a host of the lab has not
    hub.shell(
        "mkdir -m 755 /etc/smtpcreds; mount -t tmpfs own /var/lib/apt/lists; rm -f /var/cache/apt/*.bin"
    )
    hub.write("/etc/smtpcreds/ca-passphrase", PASSPHRASE + "\n", 0o600)
    (tmp_path / "inventory.ini").write_text(ALONE.format(hub=HUB, package=package))
    (tmp_path / "twice.yml").write_text(TWICE.format(role=ROLE / "roles/smtpcreds"))
    done = subprocess.run(
        hub.namespace.command(
            ("ansible-playbook", "-i", f"{tmp_path}/inventory.ini", f"{tmp_path}/twice.yml")
        ),
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path), "SYSTEMD_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, _, again = done.stdout.partition("TASK [Once more]")
    assert (first.count("\nchanged: "), again.count("\nchanged: ")) == (6, 0), done.stdout
    assert "install ok installed" in hub.run(("dpkg", "-s", "smtpcreds"))
    assert hub.run(("systemctl", "--root=/", "is-enabled", "smtpcreds-renew.timer")) == "enabled\n"
    drop_in = hub.path("/etc/systemd/system/smtpcreds-renew.service.d/ansible.conf").read_text()
    assert drop_in.splitlines()[2:] == [
        """Environment="RELOAD=--reload 'systemctl try-reload-or-restart sendmail'\"""",
        """Environment="PASSPHRASE=--passphrase 'file:/etc/smtpcreds/ca-passphrase'\"""",
    ]
