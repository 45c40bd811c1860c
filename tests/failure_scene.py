"""A hub and a client host of the laboratory whose files are broken, looked at, and put back."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from admin import HUB
from failure_table import CERTS, Failure
from lab import Lab
from mail_hosts import (
    ACCOUNT,
    CLIENT,
    Machine,
    MailHost,
    PostfixMachine,
    SendmailMachine,
    give_secret,
    issue,
    typed,
)

SECRET = ("--password", "file:/var/lib/secret")
KEPT = "etc/mail etc/postfix etc/sasl2 etc/sasldb2 etc/smtpcreds var/lib/smtpcreds"
JAILED = "var/spool/postfix/etc/postfix"
"""What is put back; smtpd's chroot with it."""
KEEP = f"""
mkdir -p -m 700 /var/lib/kept && cd / && for f in {KEPT} {JAILED}; do
  if [ -e $f ]; then cp -a --parents $f /var/lib/kept; fi
done
"""
BACK = f"""
cd /var/lib/kept && for f in {KEPT} {JAILED}; do
  rm -rf /$f; if [ -e $f ]; then cp -a --parents $f /; fi
done
"""
SIGN = f"""
cd /var/lib
sign() {{  # NAME EKU FROM DAYS: a certificate for the key of the host, by OpenSSL with the key of the CA
  printf "subjectAltName=DNS:$1\\nextendedKeyUsage=$2\\nkeyUsage=digitalSignature\\n" > x.cnf
  openssl req -new -key {CERTS}/dmzmail-key.pem -subj /CN=$1 -out x.csr
  faketime -f $3 openssl x509 -req -in x.csr -CA smtpcreds/ca/ca-cert.pem -CAkey smtpcreds/ca/ca-key.pem \\
    -set_serial 4711 -days $4 -extfile x.cnf -out x.pem 2> x.log
  cat x.pem > {CERTS}/dmzmail-cert.pem
}}
"""

OLD_CRL = "/var/lib/old-crl.pem"
SIGN_CRL = f"""
cd /var/lib
printf "[ca]\\ndefault_ca=c\\n[c]\\ndatabase=/var/lib/index\\ndefault_md=sha256\\n" > crl.cnf && : > index
faketime -f -60d openssl ca -config crl.cnf -gencrl -crldays 30 -keyfile smtpcreds/ca/ca-key.pem \\
  -cert smtpcreds/ca/ca-cert.pem -out {OLD_CRL}
"""
AWAY = re.compile(r"on the (?:authority|hub): (.*); then copy (?:the files here|it to (\S+))")
BY_HAND = re.compile(r"on the hub: (smtpcreds bundle .*); then here: (.* setup --client) BUNDLE")
GIVEN = "/var/lib/given"
SNAKEOIL = """
cd /etc/ssl && mkdir -p private certs && openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \\
  -subj /CN=attic -addext subjectAltName=DNS:attic -addext basicConstraints=CA:FALSE \\
  -keyout private/ssl-cert-snakeoil.key -out certs/ssl-cert-snakeoil.pem 2> /dev/null
chmod 0640 private/ssl-cert-snakeoil.key
"""
"""As Debian's package ssl-cert makes it."""


@dataclass(frozen=True)
class Seen:
    """What happened.

    Attributes:
        log: the characteristic line, or all lines where none is expected.
        delivery: what the client host logged of the message.
        findings: of audit, code to finding.
        steps: of probe, those that failed.
    """

    log: str
    delivery: str
    findings: dict[str, dict[str, Any]]
    steps: dict[str, dict[str, Any]]


Server = SendmailMachine | PostfixMachine


class Pair:
    """One hub and one client host that run the same mail program."""

    def __init__(self, lab: Lab, family: str) -> None:
        kind: type[Server] = SendmailMachine if family == "sendmail" else PostfixMachine
        outward = {
            "sendmail": f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n",
            "postfix": f"relayhost = [{lab.sink.address}]\nservice_throttle_time = 1s\n",
        }
        self.lab, self.family = lab, family
        self.hub = kind(lab, HUB, f"{family}-hub", outward[family])
        self.client = kind(lab, CLIENT, f"{family}-client")
        self.hub("setup", HUB, "--no-passphrase")
        if isinstance(self.client, PostfixMachine):
            self.client.host.shell(SNAKEOIL)
        issue(self.hub, self.client, self.client.host.name)
        self.hub.apply()
        give_secret(self.hub, self.client)
        self.client.apply(*SECRET, *(("--crl",) if kind is SendmailMachine else ()))
        self.hub("--root", "/var/lib/other", "setup", HUB, "--no-passphrase")
        self.shell(self.hub, SIGN_CRL)
        there = self.client.host.path(OLD_CRL)
        subprocess.run(("cp", self.hub.host.path(OLD_CRL), there), check=True)
        for machine in self.machines:
            machine.host.shell(KEEP)

    @property
    def machines(self) -> tuple[Server, ...]:
        return self.hub, self.client

    def shell(self, machine: Machine, script: str) -> None:
        """Run lines as an administrator types them."""
        words = " ".join(typed())
        machine.host.shell(f'smtpcreds() {{ {words} "$@"; }}\n{SIGN}\n{script}')

    def reload(self, machine: Server) -> None:
        if isinstance(machine, SendmailMachine):
            machine.sendmail.reload()
        else:
            machine.postfix.reload()

    def send(self) -> str:
        """Have a message tried, and return the client's line on that."""
        answer = self.client.send()
        if "Sent" in answer or "status=sent" in answer:
            self.lab.sink.receive()
        elif isinstance(self.client, PostfixMachine):
            self.client.host.shell("postsuper -d ALL 2> /dev/null")
        return answer

    def at(self, where: str) -> Server:
        return self.hub if where == "hub" else self.client

    def witness(self, failure: Failure) -> Seen:
        """Break a host, have mail tried, and ask audit there and probe on the client host."""
        machine, log = self.at(failure.at), self.at(failure.logged_at).log
        start, before = len(log.lines), len(log.find(failure.log)) if failure.log else 0
        self.shell(machine, failure.script)
        self.reload(machine)
        delivery = self.send()
        with ThreadPoolExecutor() as both:
            audited, probed = both.submit(self.audit, machine), both.submit(self.probe, failure.words)
            findings = {finding["code"]: finding for finding in audited.result()}
            steps = {
                step["step"]: step for step in probed.result() if step["outcome"] in {"failed", "unknown"}
            }
        line = log.wait(failure.log, before + 1).string if failure.log else "\n".join(log.lines[start:])
        return Seen(line, delivery, findings, steps)

    def audit(self, machine: Machine) -> list[dict[str, Any]]:
        """Return what is found; Debian's own certificate, on the client host, is worth a note only."""
        found: list[dict[str, Any]] = answer(machine, "audit")["findings"]
        return [finding for finding in found if finding["severity"] != "note"]

    def probe(self, words: tuple[str, ...]) -> list[dict[str, Any]]:
        url = f"smtp://{'' if '--auth-info' in words else f'{ACCOUNT}@'}dmzmail"
        steps: list[dict[str, Any]] = answer(self.client, "probe", url, "--no-negative", *words)["steps"]
        return steps

    def cure(self, machine: Server, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Type what audit said, and says then, three times at most; return what is left."""
        for _ in range(3):
            if not found:
                break
            for cure in dict.fromkeys(finding["cure"] for finding in found):
                self.type(machine, cure)
            found = self.audit(machine)
        return found

    def type(self, machine: Machine, cure: str) -> None:
        """Type a cure, the first of several; ``smtpcreds mta apply`` with the commands that it then names."""
        command = cure.partition(", or ")[0]
        if away := AWAY.match(command):
            self.shell(self.hub, f"{away[1].replace('FILE', GIVEN)} || true")
            for path in (away[2],) if away[2] else (f"{CERTS}/cacert.pem", f"{CERTS}/crl.pem"):
                source = self.hub.host.path(GIVEN if away[2] else path)
                subprocess.run(("cp", "-a", source, machine.host.path(path)), check=True)
        elif by_hand := BY_HAND.match(command):
            self.shell(self.hub, f"{by_hand[1]} -o {GIVEN} --force")
            subprocess.run(("cp", "-a", *(one.host.path(GIVEN) for one in (self.hub, machine))), check=True)
            self.shell(machine, f"{by_hand[2]} {GIVEN}")
        elif not command.startswith("write "):
            run = " --run" if "mta apply" in command else ""
            self.shell(machine, f"{{ {command}{run}; }} || true")

    def restore(self, machine: Server) -> None:
        """Put everything back; a Postfix that found its relay dead forgets that."""
        machine.host.shell(BACK)
        self.reload(machine)
        if isinstance(self.client, PostfixMachine) and machine is self.hub:
            self.client.postfix.reload()


def answer(asker: MailHost, *words: str) -> Any:
    """Type a question and return what it says; neither yes, no nor unknown is an error."""
    done = asker.run("--json", *words)
    assert done.status in {0, 1, 75}, done.err
    return done.data
