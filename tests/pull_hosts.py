"""Client hosts that fetch their bundles from a real sshd with ssh, openssl and tar, and their hub."""

import hashlib
import subprocess

from admin import CERTS, DOMAIN, HUB
from lab import SENDMAIL, Host, Lab, Sendmail, mc
from lab.layer import Software
from lab.msmtp import MSMTP, Msmtp
from lab.postfix import POSTFIX, Postfix
from lab.process import TIMEOUT
from lab.sendmail import STARTING
from lab.sshd import AUTHORIZED_KEYS, LOGIN, Sshd, with_sshd
from mail_hosts import FOREIGN, SendmailHub

KEY = "/etc/smtpcreds/pull-key"
SCRIPT = "/etc/smtpcreds/pull.sh"
STATE = "/var/lib/smtpcreds-pull"
UNIT = "/etc/systemd/system/smtpcreds-pull.service"
KNOWN_HOSTS = "/etc/smtpcreds/known_hosts"
PLACES = (CERTS, "/etc/mail", "/etc/postfix/smtpcreds", "/etc/ssl/smtpcreds", "/etc/smtpcreds", "/etc/cron.d")
SSH = f"ssh -i {KEY} -o UserKnownHostsFile={KNOWN_HOSTS} {LOGIN}@{HUB}"
SNAKEOIL = (
    "cd /etc/ssl; openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=$(hostname)"
    " -addext basicConstraints=CA:FALSE -keyout private/ssl-cert-snakeoil.key"
    " -out certs/ssl-cert-snakeoil.pem 2>/dev/null; chmod 640 private/ssl-cert-snakeoil.key"
)
"""What ssl-cert does when Postfix is installed."""
SANDBOX = """
mkdir -p -m 700 "/var/lib/$1"
for place in $(cut -d' ' -f5 /proc/self/mountinfo); do
    mountpoint -q "$place" || continue  # one that another hides, as the host's /run does that of ip-netns(8)
    case $place in /proc|/proc/*|/sys|/sys/*|/dev|/dev/*) ;; *) mount -o remount,bind,ro "$place" ;; esac
done
for place in $2 "/var/lib/$1"; do
    case $place in -*) place=${place#-}; [ -e "$place" ] || continue ;; esac
    mount --rbind "$place" "$place"
    place=$(readlink -f "$place")
    for mounted in $(cut -d' ' -f5 /proc/self/mountinfo); do
        case $mounted in "$place"|"$place"/*) mount -o remount,bind,rw "$mounted" ;; esac
    done
done
mount -t tmpfs private /tmp
rights=-all; for right in $3; do rights=$rights,+${right#CAP_}; done
shift 3
exec setpriv --no-new-privs --bounding-set "$(echo "$rights" | tr A-Z a-z)" "$@"
"""
"""What systemd does before it starts a command, but for the filter of system calls."""
SERVING = "#!/bin/sh\ncat > /dev/null\nexec cat /var/lib/served.tar\n"


class Hub(SendmailHub):
    """Sendmail, an authority, sshd and sudo."""

    def __init__(self, lab: Lab, *authority: str) -> None:
        host, lab.host = lab.host, lambda name, software: host(name, with_sshd(software))  # type: ignore
        super().__init__(lab, *authority)
        lab.host = host  # type: ignore[method-assign]
        self.sshd = Sshd(self.host)

    def start(self, *options: str) -> None:
        super().start(*options)
        self.sshd.start()

    def authorize(self, client: "Client", *options: str) -> None:
        self.host.write("/var/lib/key.pub", client.host.path(f"{KEY}.pub").read_text())
        words = ("bundle", client.name, "--authorize", "/var/lib/key.pub", "--to", AUTHORIZED_KEYS, *options)
        self.host.run(("/usr/local/bin/smtpcreds", *words))

    def not_after(self, host: str) -> str:
        rows = self.json("cert", "list", "--host", host)["certificates"]
        return str(rows[-1]["not_after"])


class Client:
    """A host with a key for ssh, to which a bundle came by tar; its mail program is msmtp."""

    program = "msmtp"
    software: Software = MSMTP

    def __init__(self, lab: Lab, hub: Hub, name: str) -> None:
        self.name, self.hub = name, hub
        self.host = lab.host(f"{name}.{DOMAIN}", self.software)
        self.host.shell(f"mkdir -p /etc/smtpcreds; ssh-keygen -q -t ed25519 -N '' -f {KEY}")
        self.sender = f"polkafan@{self.host.name}"

    def join(self, *options: str) -> "Client":
        """Be let in by the hub, and get the first bundle."""
        self.hub.authorize(self, "--mta", self.program, *options)
        self.host.write(KNOWN_HOSTS, f"{HUB} {self.key_of(self.hub.host)}\n")
        self.host.shell(f"echo have none | {SSH} | tar -xpf - -C /")
        self.host.write("/etc/smtpcreds/pull.local", "TRIES=2 PAUSE=0\n")
        self.start()
        return self

    def start(self) -> None:
        """Do what the bundle's README says, once."""

    def bare(self) -> None:
        """Run as installed, without any line of ours."""

    def settle(self) -> None:
        """Wait for a daemon that was told to read its files again."""

    def key_of(self, host: Host) -> str:
        return " ".join(host.path("/etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2])

    def pull(self, *before: str) -> tuple[int, str]:
        """Run the script as the timer does; return its status, and all it said.

        It is in the sandbox of its unit, unless it is started by other words.
        """
        command = self.host.namespace.command((*(before or self.sandbox()), SCRIPT))
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        return done.returncode, done.stdout + done.stderr

    def sandbox(self) -> tuple[str, ...]:
        unit = self.host.path(UNIT).read_text()
        settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
        assert (settings["ProtectSystem"], settings["PrivateTmp"]) == ("strict", "yes")
        asked = (settings[name] for name in ("StateDirectory", "ReadWritePaths", "CapabilityBoundingSet"))
        return ("unshare", "--mount", "--propagation", "private", "sh", "-euc", SANDBOX, "sh", *asked)

    def logged(self) -> list[str]:
        return [line for line in self.host.log.lines if "smtpcreds-pull" in line]

    def installed(self) -> dict[str, str]:
        """Return a digest of everything that is in place."""
        files = [path for place in PLACES for path in self.host.path(place).glob("*") if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def certificate(self, *what: str) -> str:
        """Return what openssl says of the host's certificate."""
        path = f"{CERTS}/{self.name}-cert.pem"
        return self.host.run(("openssl", "x509", "-noout", "-in", path, *what)).strip()

    def served(self, data: bytes) -> tuple[int, str]:
        """Let a hub that is not to be believed answer with these octets."""
        self.host.path("/var/lib/served.tar").write_bytes(data)
        self.host.write(
            "/usr/local/bin/ssh", "#!/bin/sh\ncat > /dev/null\nexec cat /var/lib/served.tar\n", 0o755
        )
        try:
            return self.pull("env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        finally:
            self.host.path("/usr/local/bin/ssh").unlink()

    def send(self) -> None:
        """Send a message, which the program hands to a hub that it has verified alone."""
        Msmtp(self.host).send(self.sender, FOREIGN)


class SendmailClient(Client):
    program = "sendmail"
    software = SENDMAIL

    def bare(self) -> None:
        self.sendmail = Sendmail(self.host)
        text = f"{mc.HEAD}FEATURE(`access_db', , `skip')dnl\n{mc.TAIL}"
        self.host.write("/etc/mail/access", "")
        self.host.write("/etc/mail/sendmail.mc", text)
        self.host.shell("cd /etc/mail && m4 sendmail.mc > sendmail.cf && makemap hash access < access")
        self.sendmail.start(text)
        self.host.log.forget()

    def settle(self) -> None:
        self.host.log.wait(STARTING)
        self.sendmail.await_daemon()
        self.host.log.forget()

    def start(self) -> None:
        self.sendmail = Sendmail(self.host)
        include = mc.include("/etc/mail/smtpcreds/client.m4")
        text = f"{mc.HEAD}FEATURE(`access_db', , `skip')dnl\n{include}{mc.TAIL}"
        self.host.write("/etc/mail/access", self.host.path("/etc/mail/smtpcreds/access").read_text())
        self.host.write("/etc/mail/sendmail.mc", text)
        self.host.shell("cd /etc/mail && m4 sendmail.mc > sendmail.cf && makemap hash access < access")
        self.sendmail.start(text)

    def send(self) -> None:
        self.host.await_port(25)
        assert "stat=Sent" in self.sendmail.send(self.sender, FOREIGN)
        assert self.host.log.find(rf"STARTTLS=client, relay={HUB}.*verify=OK")


class PostfixClient(Client):
    program = "postfix"
    software = POSTFIX

    def bare(self) -> None:
        self.host.shell(SNAKEOIL)
        self.postfix = Postfix(self.host)
        self.postfix.configure()
        self.postfix.start()

    def start(self) -> None:
        self.postfix = Postfix(self.host)
        self.postfix.configure()
        self.host.shell("cat /etc/postfix/smtpcreds/client.cf >> /etc/postfix/main.cf")
        self.host.shell("cd /etc/postfix/smtpcreds && postmap sasl_passwd tls_policy")
        self.postfix.start()

    def send(self) -> None:
        assert "status=sent" in self.postfix.send(self.sender, FOREIGN)
        assert self.host.log.find(rf"Verified TLS connection established to {HUB}")
