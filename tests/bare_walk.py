"""The README typed on truly bare Debian hosts: debootstrap, apt's packages, and nothing of this machine.

    python tests/bare_walk.py                     # every walk; needs root, debootstrap, and a network once
    python tests/bare_walk.py postfix/msmtp       # one hub and one client host

Not part of a run of the tests: it takes half a minute a walk. What it prints is what an administrator sees.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import dns.message
import dns.rrset
from lab.host import Host, Lab
from lab.layer import write
from lab.namespace import Namespace
from lab.process import LabError, run

TOP = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smtpcreds-tests" / "bare"
ROOT = HOME / "root"
MIRROR = "http://deb.debian.org/debian"
SUITE = "bookworm"
DOMAIN = "polkatistas.org"
HUB = f"dmzmail.{DOMAIN}"
SENDER, FOREIGN = f"root@attic.{DOMAIN}", "accordion@example.net"

INSTALL = (
    "apt-get install -y python3-venv",
    "python3 -m venv /opt/smtpcreds",
    "cd /root/smtpcreds && /opt/smtpcreds/bin/pip install -q .",
    "ln -sf /opt/smtpcreds/bin/smtpcreds /usr/local/bin/smtpcreds",
)
"""As the README says."""

HUBS = {
    "sendmail": ("sendmail sasl2-bin", "sendmail"),
    "postfix": ("postfix sasl2-bin", "postfix"),
    "postfix-dovecot": ("postfix dovecot-core", "postfix"),
    "exim": ("exim4-daemon-heavy sasl2-bin", "exim"),
}
CLIENTS = {
    "sendmail": "sendmail",
    "postfix": "postfix libsasl2-modules",
    "exim": "exim4",
    "msmtp": "msmtp msmtp-mta",
    "nullmailer": "nullmailer",
    "dma": "dma",
    "opensmtpd": "opensmtpd",
    "curl": "curl",
    "swaks": "swaks libnet-ssleay-perl",
}
PACKAGES = sorted(
    {word for words, _ in HUBS.values() for word in words.split()}
    | {word for words in CLIENTS.values() for word in words.split()}
)


def in_chroot(command: str) -> None:
    """Run a line of sh in the common root, with this machine's network; no daemon is started."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    env |= {"DEBIAN_FRONTEND": "noninteractive", "PIP_CERT": "/root/roots.pem"}
    subprocess.run(("chroot", ROOT, "sh", "-c", command), env=env, check=True, stdout=subprocess.DEVNULL)


def prepare() -> None:
    """Make the common root once: a minimal Debian, smtpcreds as the README installs it, apt's archives."""
    done = ROOT / "var/cache/smtpcreds-prepared"
    if done.exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    if not (ROOT / "etc/debian_version").exists():
        subprocess.run(("debootstrap", "--variant=minbase", SUITE, ROOT, MIRROR), check=True)
    shutil.copy("/etc/resolv.conf", ROOT / "etc/resolv.conf")
    shutil.copytree(TOP, ROOT / "root/smtpcreds", ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", ROOT / "root/roots.pem")
    in_chroot("apt-get update -q")
    for command in INSTALL:
        in_chroot(command)
    for package in PACKAGES:
        in_chroot(f"apt-get install -y -q --download-only {package}")
    done.touch()


class Names:
    """A name server for the lab: its hosts by address, and the sink for every domain outside."""

    def __init__(self, lab: Lab, sink: str) -> None:
        import socket

        self.hosts: dict[str, str] = {"sink.example.net.": sink}
        self.sink = sink
        self.number = 0
        with lab._internet.network():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((sink, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            with suppress(Exception):
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query, recursion_available=True)
        name, kind = query.question[0].name.to_text().lower(), dns.rdatatype.to_text(query.question[0].rdtype)
        if kind == "A" and name in self.hosts:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", self.hosts[name]))
        elif kind == "MX" and name == "example.net.":
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", "10 sink.example.net."))
        elif kind == "PTR" and (found := self._reversed(name)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "PTR", found))
        elif name not in self.hosts and name != "example.net.":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    def _reversed(self, name: str) -> str:
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa.").split(".")))
        return next((host for host, of in self.hosts.items() if of == address), "")


def _wire(lab: Lab, namespace: Namespace, address: str, number: int) -> None:
    """Plug the host's eth0 into the lab's bridge; a bare host has no ip of its own."""
    to_lab, to_host = (
        ("nsenter", f"--target={pid}", "--net", "ip", "-batch", "-")
        for pid in (lab._internet.pid, namespace.pid)
    )
    link = f"link add port{number} type veth peer name eth0 netns {namespace.pid}\n"
    run(to_lab, stdin=f"{link}link set port{number} master lab up\n")
    run(to_host, stdin=f"link set lo up\nlink set eth0 up\naddress add {address}/24 dev eth0\n")


class Bare:
    """A bare host: what is typed on it is printed, and what it answers."""

    def __init__(self, lab: Lab, names: Names, name: str) -> None:
        self.name, self.short = name, name.partition(".")[0]
        number = names.number = names.number + 1
        address = f"192.0.2.{10 + number}"
        directory = Path(tempfile.mkdtemp(prefix="bare-", dir=HOME))
        lab._exit.callback(shutil.rmtree, directory)
        namespace = Namespace(self._script(directory, name))
        _wire(lab, namespace, address, number)
        self.host = Host(name, address, namespace)
        self.close = ExitStack()
        self.close.callback(self.host.close)
        lab._exit.callback(self.close.close)
        lab._hosts.append(self.host)
        names.hosts[f"{name}."] = address
        lines = f"127.0.0.1 localhost\n{address} {name} {self.short}\n"
        write(namespace.path("/etc/hosts"), lines)
        write(namespace.path("/etc/resolv.conf"), f"nameserver {names.sink}\nsearch polkatistas.org\n")
        self.log = self.host.log

    def _script(self, directory: Path, name: str) -> str:
        new = directory / "root"
        package = "opt/smtpcreds/lib/python3.11/site-packages/smtpcreds"
        options = f"lowerdir={ROOT},upperdir={directory}/upper,workdir={directory}/work"
        return "\n".join(
            [
                f"hostname {name.partition('.')[0]}",
                f"mkdir {new} {directory}/upper {directory}/work; chmod 755 {directory} {directory}/upper",
                f"mount -t overlay -o {options} bare {new}",
                f"mount -t proc proc {new}/proc",
                f"mount -t tmpfs -o mode=755 run {new}/run; mkdir -m 1777 {new}/run/lock",
                f"mount -t tmpfs -o mode=755 dev {new}/dev",
                f"(cd /dev && cp -a null zero full random urandom tty fd stdin stdout stderr {new}/dev)",
                f"mkdir {new}/dev/pts {new}/dev/shm; ln -s pts/ptmx {new}/dev/ptmx",
                f"mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts {new}/dev/pts",
                f"mount --bind -o ro {TOP}/smtpcreds {new}/{package}",
                f"echo {name.partition('.')[0]} > {new}/etc/hostname",
                f"rm -f {new}/etc/resolv.conf {new}/usr/sbin/policy-rc.d",
                f"mkdir {new}/old; cd {new}; pivot_root . old; umount -l /old; rmdir /old",
            ]
        )

    def type(self, command: str, status: int | None = 0, stdin: bytes = b"", quiet: bool = False) -> str:
        """Type a line as root; `status` is how it must end, None for any way."""
        print(f"\033[1m{self.short}# {command}\033[0m", flush=True)
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        words = ("env", "-i", path, "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
        line = self.host.namespace.command((*words, "sh", "-c", f"cd /root; {command}"))
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(line, input=stdin, stdout=output, stderr=subprocess.STDOUT, timeout=60)
            output.seek(0)
            said = output.read().decode(errors="replace")
        if not quiet or done.returncode:
            print(said, end="", flush=True)
        if done.returncode:
            print(f"    [exit status {done.returncode}]")
        if status is not None and done.returncode != status:
            raise LabError(f"{self.short}# {command}: exit status {done.returncode}, not {status}\n{said}")
        return said

    def install(self, packages: str) -> None:
        self.type(f"apt-get install -y -q --no-download {packages}", quiet=True)


SENDMAIL = f"echo rosamunde | /usr/sbin/sendmail {FOREIGN}"
MESSAGE = f"printf 'From: {SENDER}\\nTo: {FOREIGN}\\nSubject: polka\\n\\nRosamunde\\n' > MESSAGE"
SENDING = {
    "msmtp": f"{MESSAGE}; msmtp --from={SENDER} {FOREIGN} < MESSAGE",
    "curl": (
        f"{MESSAGE}; curl -q -K /etc/smtpcreds/clients/curl --mail-from {SENDER} "
        f"--mail-rcpt {FOREIGN} --upload-file MESSAGE"
    ),
    "swaks": f"swaks --config /etc/smtpcreds/clients/swaks --from {SENDER} --to {FOREIGN}",
}
PLAIN = {"nullmailer", "opensmtpd"}
DAEMONS = {
    "sendmail": "sendmail",
    "postfix": "postfix",
    "postfix-dovecot": "postfix dovecot",
    "exim": "exim4",
    "nullmailer": "nullmailer",
    "opensmtpd": "opensmtpd",
}


def looks(host: Bare, program: str, *probes: str) -> None:
    """Type what tells whether all is well."""
    for command in ("audit", f"mta check {program}", "status", *probes):
        host.type(f"smtpcreds {command}", None)


def booted(host: Bare, kind: str) -> None:
    """Start what the init system of a real host would have started."""
    for name in DAEMONS.get(kind, "").split():
        host.type(f"service {name} start", None, quiet=True)


def set_up_hub(hub: Bare, kind: str, plaintext: bool) -> None:
    packages, program = HUBS[kind]
    hub.install(packages)
    booted(hub, kind)
    hub.type("smtpcreds audit", None)
    more = " --mta dovecot" if kind == "postfix-dovecot" else ""
    more += " --plaintext" if plaintext else ""
    hub.type(f"smtpcreds setup {HUB} --no-passphrase --mta {program} --edit --run{more}", None)


def set_up_client(hub: Bare, client: Bare, kind: str, options: str = "") -> None:
    name = "opensmtpd-client" if kind == "opensmtpd" else kind
    hub.type(f"smtpcreds bundle {client.short} --mta {name} -o {client.short}.tar{options}", None)
    client.install(CLIENTS[kind])
    booted(client, kind)
    client.type("smtpcreds audit", None)
    tar = hub.host.path(f"/root/{client.short}.tar").read_bytes()
    client.type("smtpcreds setup --client - --edit --run", None, stdin=tar)


def send(lab: Lab, hub: Bare, client: Bare, kind: str) -> bool:
    client.type(SENDING.get(kind, SENDMAIL), None)
    try:
        message = lab.sink.receive()
        print("== arrived", message.recipients, message.sender)
        print("\n".join(f"   {line}" for line in message.headers.get_all("Received") or []))
        print("\n".join(f"   {line}" for line in hub.log.lines if re.search("sasl_u|AUTH=", line)))
        return True
    except LabError as error:
        print("== NOT arrived", error)
        for host in (client, hub):
            print(f"-- log of {host.short}")
            print("\n".join(host.log.lines[-25:]))
            host.type("tail -n 12 /var/log/exim4/mainlog /var/log/mail* 2>/dev/null", None)
        return False


def walk(hub_kind: str, *client_kinds: str) -> None:
    with Lab() as lab:
        names = Names(lab, lab.sink.address)
        hub = Bare(lab, names, HUB)
        set_up_hub(hub, hub_kind, bool(PLAIN & {*client_kinds}))
        for number, kind in enumerate(client_kinds):
            client = Bare(lab, names, f"{kind}.{DOMAIN}")
            set_up_client(hub, client, kind)
            send(lab, hub, client, kind)
            looks(
                client,
                "opensmtpd-client" if kind == "opensmtpd" else f"{kind}-client" if kind in HUBS else kind,
                f"probe smtp://maildroid@dmzmail --client {kind} | grep -v ^ok",
            )
            client.close.close()
            lab._hosts.remove(client.host)
            if number == 0:
                looks(hub, f"{HUBS[hub_kind][1]}-hub", "probe smtp://maildroid@dmzmail | grep -v ^ok")
                print("\n".join(hub.log.lines[-30:]))


if __name__ == "__main__":
    prepare()
    for words in sys.argv[1:]:
        walk(*words.split("/"))
