"""The README typed on truly bare Debian hosts: debootstrap, apt's packages, and nothing of this machine.

    python tests/bare_walk.py                            # every walk
    python tests/bare_walk.py postfix/msmtp              # one hub, and its client hosts
    python tests/bare_walk.py postfix/msmtp:587          # that connect to another port

No part of a run of the tests: it takes half a minute a host, root, debootstrap, and a network the first time.
It prints what an administrator types and sees, and ends with 1 if a message did not arrive or anything but
notes was found. ``test_live_bare_walks.py`` walks the same ways in hosts that are made faster.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import dns.message
import dns.rrset
from lab.host import QUIET, Host, Lab
from lab.layer import write
from lab.namespace import Namespace
from lab.process import LabError, run
from readme_blocks import BLOCKS

TOP = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smtpcreds-tests" / "bare"
ROOT = HOME / "root"
SUITE = "bookworm"
ROOTS = "/etc/ssl/certs/ca-certificates.crt"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DOMAIN = "polkatistas.org"
HUB = f"dmzmail.{DOMAIN}"
SENDER, FOREIGN = f"root@attic.{DOMAIN}", "accordion@example.net"

INSTALL = next(block.typed for block in BLOCKS if block.section == "Install")
"""As the README says, by root, whose host has no sudo."""

HUBS = {
    "sendmail": ("sendmail sasl2-bin", "--mta sendmail"),
    "postfix": ("postfix sasl2-bin", "--mta postfix"),
    "postfix-dovecot": ("postfix dovecot-core", "--mta postfix --mta dovecot"),
    "exim": ("exim4-daemon-heavy sasl2-bin", "--mta exim"),
}
"""What is installed, and what is said to setup."""
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
DAEMONS = {name: name for name in ("sendmail", "postfix", "nullmailer", "opensmtpd")}
DAEMONS |= {"exim": "exim4", "postfix-dovecot": "postfix dovecot"}
PLAIN = {"nullmailer", "opensmtpd"}
SUBMISSION = "$(postconf -M smtp/inet | sed 's/^smtp/submission/')"
EXTRA = {"postfix": f'postconf -M submission/inet="{SUBMISSION}" && postfix reload'}
"""How a hub comes to listen on port 587, by the README."""
WALKS = (
    "postfix/postfix/exim/msmtp/dma/curl/swaks/sendmail",
    "postfix/nullmailer/opensmtpd",
    "postfix/msmtp:587",
    "postfix-dovecot/msmtp",
    "exim/msmtp/exim",
    "sendmail/sendmail/postfix",
)

MESSAGE = f"printf 'From: {SENDER}\\nTo: {FOREIGN}\\nSubject: polka\\n\\nRosamunde\\n' > MESSAGE"
SENDING = {
    "msmtp": f"{MESSAGE}; msmtp --from={SENDER} {FOREIGN} < MESSAGE",
    "curl": (
        f"{MESSAGE}; curl -sS -q -K /etc/smtpcreds/clients/curl --mail-from {SENDER} --mail-rcpt {FOREIGN} "
        "--upload-file MESSAGE"
    ),
    "swaks": f"swaks --config /etc/smtpcreds/clients/swaks --from {SENDER} --to {FOREIGN} | tail -n 3",
}
SENDMAIL = f"echo Rosamunde | /usr/sbin/sendmail {FOREIGN}"


def in_chroot(command: str) -> None:
    """Run a line of sh in the common root, with this machine's network; no daemon is started."""
    env = {"PATH": PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    env["PIP_CERT"] = "/root/roots.pem"
    subprocess.run(("chroot", ROOT, "sh", "-c", command), env=env, check=True, stdout=subprocess.DEVNULL)


def prepare() -> None:
    """Make the common root once: a minimal Debian, smtpcreds as the README installs it, apt's archives."""
    done = ROOT / "var/cache/smtpcreds-prepared"
    if done.exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    if not (ROOT / "etc/debian_version").exists():
        options = ("--variant=minbase", "--include=ca-certificates")
        subprocess.run(("debootstrap", *options, SUITE, ROOT), check=True)
    shutil.copy("/etc/resolv.conf", ROOT / "etc/resolv.conf")
    shutil.copytree(TOP, ROOT / "root/smtpcreds", ignore=shutil.ignore_patterns(".*"), dirs_exist_ok=True)
    shutil.copy(ROOTS, ROOT / "root/roots.pem")
    in_chroot("apt-get update -q")
    for command in INSTALL:
        in_chroot(f"cd /root/smtpcreds && {command.removeprefix('sudo ')}")
    for packages in (*CLIENTS.values(), *(packages for packages, _ in HUBS.values())):
        in_chroot(f"apt-get install -y -q --download-only {packages}")
    done.touch()


class Names:
    """A name server for the lab: its hosts by address, and the sink for the domain outside."""

    def __init__(self, lab: Lab) -> None:
        self.sink = lab.sink.address
        self.hosts = {"sink.example.net.": self.sink}
        self.count = 0
        with lab._internet.network():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind((self.sink, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            with suppress(Exception):
                self._socket.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query, recursion_available=True)
        name = query.question[0].name.to_text().lower()
        known = self._records(name)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        if kind in known:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, known[kind]))
        elif not known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return bytes(answer.to_wire())

    def _records(self, name: str) -> dict[str, str]:
        if name in self.hosts:
            return {"A": self.hosts[name]}
        if name == "example.net.":
            return {"MX": "10 sink.example.net."}
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa.").split(".")))
        found = next((host for host, of in self.hosts.items() if of == address), "")
        return {"PTR": found} if found else {}


def wire(lab: Lab, namespace: Namespace, address: str, number: int) -> None:
    """Plug the host's eth0 into the lab's bridge; a bare host has no ip of its own."""
    pids = (lab._internet.pid, namespace.pid)
    to_lab, to_host = (("nsenter", f"--target={pid}", "--net", "ip", "-batch", "-") for pid in pids)
    link = f"link add port{number} type veth peer name eth0 netns {namespace.pid}\n"
    run(to_lab, stdin=f"{link}link set port{number} master lab up\n")
    run(to_host, stdin=f"link set lo up\nlink set eth0 up\naddress add {address}/24 dev eth0\n")


class Bare:
    """A bare host: what is typed on it is printed, and what it answers."""

    def __init__(self, lab: Lab, names: Names, short: str) -> None:
        self.short, self.name = short, f"{short}.{DOMAIN}"
        names.count += 1
        address = f"192.0.2.{10 + names.count}"
        directory = Path(tempfile.mkdtemp(prefix="bare-", dir=HOME))
        self.end = ExitStack()
        lab._exit.callback(self.end.close)
        self.end.callback(shutil.rmtree, directory)
        namespace = Namespace(self._script(directory))
        wire(lab, namespace, address, names.count)
        self.host = Host(self.name, address, namespace)
        self.end.callback(self.host.close)
        names.hosts[f"{self.name}."] = address
        hosts = f"127.0.0.1 localhost\n{address} {self.name} {self.short}\n"
        write(namespace.path("/etc/hosts"), hosts)
        write(namespace.path("/etc/resolv.conf"), f"nameserver {names.sink}\nsearch {DOMAIN}\n")

    def _script(self, directory: Path) -> str:
        new, package = directory / "root", "opt/smtpcreds/lib/python3.11/site-packages/smtpcreds"
        options = f"lowerdir={ROOT},upperdir={directory}/upper,workdir={directory}/work"
        steps = (
            f"hostname {self.short}",
            f"mkdir {new} {directory}/upper {directory}/work; chmod 755 {directory} {directory}/upper",
            f"mount -t overlay -o {options} bare {new}",
            f"mount -t proc proc {new}/proc",
            f"echo {QUIET} > {directory}/loadavg; mount --bind {directory}/loadavg {new}/proc/loadavg",
            f"mount -t tmpfs -o mode=755 run {new}/run; mkdir -m 1777 {new}/run/lock",
            f"mount -t tmpfs -o mode=755 dev {new}/dev",
            f"(cd /dev && cp -a null zero full random urandom tty fd stdin stdout stderr {new}/dev)",
            f"mkdir {new}/dev/pts {new}/dev/shm; ln -s pts/ptmx {new}/dev/ptmx",
            f"mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts {new}/dev/pts",
            f"mount --bind -o ro {TOP}/smtpcreds {new}/{package}",
            f"echo {self.short} > {new}/etc/hostname",
            f"rm -f {new}/etc/resolv.conf {new}/usr/sbin/policy-rc.d",
            f"mkdir {new}/old; cd {new}; pivot_root . old; umount -l /old; rmdir /old",
        )
        return "\n".join(steps)

    def type(self, command: str, stdin: bytes = b"", *, quiet: bool = False) -> tuple[int, str]:
        """Type a line as root, and return its exit status and what was seen."""
        words = ("env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
        line = self.host.namespace.command((*words, "sh", "-c", f"cd /root; {command}"))
        with tempfile.TemporaryFile() as output:  # a daemon that is started would keep a pipe open
            done = subprocess.run(line, input=stdin, stdout=output, stderr=subprocess.STDOUT, timeout=600)
            output.seek(0)
            said = output.read().decode(errors="replace")
        status = f"    [exit status {done.returncode}]\n" if done.returncode else ""
        print(f"{self.short}# {command}\n{'' if quiet and not status else said}{status}", end="", flush=True)
        return done.returncode, said

    def install(self, packages: str, kind: str) -> None:
        """Install packages, and start what the init system of a real host would have started."""
        self.type(f"apt-get install -y -q --no-download {packages}", quiet=True)
        for name in DAEMONS.get(kind, "").split():
            self.type(f"service {name} start", quiet=True)

    def is_spotless(self, program: str, probe: str) -> bool:
        """Tell whether whatever one asks says that all is well; notes are no fault."""
        commands = ("audit", f"mta check {program}", "status", f"probe {probe}")
        ends = [self.type(f"smtpcreds {command}")[0] for command in commands]
        return not any(ends)


def relayed(lab: Lab, hub: Bare, client: Bare, kind: str) -> bool:
    """Send a message, and tell whether it arrives by way of the hub."""
    client.type(SENDING.get(kind, SENDMAIL))
    try:
        received = lab.sink.receive().headers["Received"]
    except LabError as error:
        print(error, *client.host.log.lines[-20:], "--", *hub.host.log.lines[-20:], sep="\n")
        return False
    print("arrived:", " ".join(received.split()))
    return re.search(r"with (?:E|UTF8)SMTPSA", received, re.IGNORECASE) is not None


def walk(hub_kind: str, *client_kinds: str) -> bool:
    """Walk from a bare hub to bare client hosts, and tell whether all is well at the end."""
    with Lab() as lab:
        names = Names(lab)
        hub = Bare(lab, names, HUB.partition(".")[0])
        packages, words = HUBS[hub_kind]
        hub.install(packages, hub_kind)
        hub.type("smtpcreds audit")
        plaintext = " --plaintext" if PLAIN & {*client_kinds} else ""
        hub.type(f"smtpcreds setup {HUB} --no-passphrase {words}{plaintext} --edit --run")
        done = [_admitted(lab, names, hub, hub_kind, kind) for kind in client_kinds]
        family = hub_kind.partition("-")[0]
        return all([*done, hub.is_spotless(f"{family}-hub", "smtp://maildroid@dmzmail")])


def _admitted(lab: Lab, names: Names, hub: Bare, hub_kind: str, words: str) -> bool:
    kind, _, port = words.partition(":")
    client = Bare(lab, names, kind)
    program = {"opensmtpd": "opensmtpd-client"}.get(kind, kind)
    if port:
        hub.type(EXTRA[hub_kind])
    option = f" --port {port}" if port else ""
    hub.type(f"smtpcreds bundle {client.short} --mta {program}{option} -o {kind}.tar")
    client.install(CLIENTS[kind], kind)
    client.type("smtpcreds audit")
    bundle = hub.host.path(f"/root/{kind}.tar").read_bytes()
    client.type("smtpcreds setup --client - --edit --run", bundle)
    name = f"{kind}-client" if kind in HUBS else program
    probe = f"smtp://maildroid@dmzmail{f':{port}' if port else ''} --client {kind}"
    try:
        return relayed(lab, hub, client, kind) and client.is_spotless(name, probe)
    finally:
        client.end.close()


if __name__ == "__main__":
    prepare()
    results = {words: walk(*words.split("/")) for words in sys.argv[1:] or WALKS}
    print(*(f"{'ok  ' if done else 'FAIL'} {words}" for words, done in results.items()), sep="\n")
    sys.exit(not all(results.values()))
