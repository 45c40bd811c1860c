"""The small senders as the lab has them: hosts that get what the hub renders for them, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass

from admin import DOMAIN
from lab import Host, Lab, debs
from lab.commands import CURL, SWAKS, Curl, Swaks
from lab.dma import DMA, Dma
from lab.layer import Software
from lab.msmtp import MSMTP, Msmtp
from lab.nullmailer import NULLMAILER, Nullmailer
from lab.opensmtpd import OPENSMTPD, OpenSmtpd
from lab.sender import Sender
from mail_hosts import FOREIGN, MailHost, carry

from smtpcreds.mta import curl, swaks

MATCH = 'match from local for any action "relay"\n'


def include_in_smtpd_conf(host: Host, lines: list[str]) -> None:
    stock = (debs.unpacked(*OPENSMTPD.packages) / "etc/smtpd.conf").read_text()
    assert MATCH in stock
    host.write("/etc/smtpd.conf", stock.replace(MATCH, "\n".join([*lines, MATCH])))


def append_to_dma_conf(host: Host, lines: list[str]) -> None:
    stock = host.path("/usr/share/dma/dma.conf").read_text()
    host.write("/etc/dma/dma.conf", stock + "\n".join(lines) + "\n")


@dataclass(frozen=True)
class Kind:
    """How the lab has a program: its packages, its class, and how its lines are added."""

    software: Software
    make: Callable[[Host], Sender]
    add: Callable[[Host, list[str]], None] | None = None


KINDS = {
    "opensmtpd-client": Kind(OPENSMTPD, OpenSmtpd, include_in_smtpd_conf),
    "msmtp": Kind(MSMTP, Msmtp),
    "nullmailer": Kind(NULLMAILER, Nullmailer),
    "dma": Kind(DMA, Dma, append_to_dma_conf),
    "curl": Kind(
        CURL,
        lambda host: Curl(
            host, f"curl -q -K {curl.PATH} --mail-from SENDER --mail-rcpt RECIPIENT --upload-file MESSAGE"
        ),
    ),
    "swaks": Kind(
        SWAKS,
        lambda host: Swaks(host, f"swaks --config {swaks.PATH} --from SENDER --to RECIPIENT"),
    ),
}


WITH_CRL = ("msmtp", "nullmailer", "curl")
"""Which look at a list of revoked certificates; the hub's is carried to them by hand."""


class Client:
    """A host with one of the programs."""

    def __init__(self, lab: Lab, hub: MailHost, name: str) -> None:
        self.name = name
        self.kind = KINDS[name]
        self.hub = hub
        self.host = lab.host(f"{name}.{DOMAIN}", self.kind.software)
        self.sender = self.kind.make(self.host)

    def take(self, *options: str) -> None:
        """Carry what the hub renders for this host to it, and add the lines that it tells to add."""
        tree = f"/var/lib/{self.name}"
        crl = ("--crl",) if self.name in WITH_CRL else ()
        words = ("mta", "render", self.name, "--host", self.name, "--to", tree, "--force", *crl, *options)
        told = self.hub.json(*words)
        self.copy(f"{tree}/.", "/")
        for include in told["include"]:
            assert self.kind.add
            self.kind.add(self.host, include["lines"])

    def copy(self, source: str, target: str) -> None:
        """Carry files from the hub with owners and modes."""
        self.host.run(("mkdir", "-p", target))
        carry(self.hub.host, source, self.host, target)

    def send(self) -> str:
        """Try to send one message; `LabError` if the program says that it failed."""
        return self.sender.send(f"polkafan@{self.host.name}", FOREIGN)
