"""From what Debian's packages leave to a relayed message by the README alone, for each mail program.

Two commands on the hub and one on the client host, and no file edited by hand. The same walks on bare hosts,
made by debootstrap and apt, are in ``bare_walk.py``; those of Sendmail in ``test_live_first_walk.py``.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from admin import DOMAIN, HUB
from lab import DOVECOT, EXIM, Dovecot, Exim, Host, Lab, LabError
from lab.commands import CURL, SWAKS, Curl, Swaks
from lab.dma import DMA, Dma
from lab.exim import await_start
from lab.layer import Software
from lab.msmtp import MSMTP, Msmtp
from lab.nullmailer import NULLMAILER, Nullmailer
from lab.opensmtpd import OPENSMTPD, OpenSmtpd
from lab.postfix import POSTFIX, Postfix
from lab.sender import Sender
from mail_hosts import ACCOUNT, FOREIGN, MailHost, carry
from manual_examples import page_lines
from readme_blocks import readme_lines, readme_words

from smtpcreds.mta import curl, swaks

pytestmark = pytest.mark.live

LOCAL_ONLY = "inet_interfaces = loopback-only\ndefault_transport = error\nrelay_transport = error\n"
"""What Debian's answer "Local only" adds to main.cf; its other answers close nothing."""
SASL2_BIN = (
    "printf '!' | saslpasswd2 -c -p no:such:user && saslpasswd2 -d no:such:user;"
    "chgrp sasl /etc/sasldb2; chmod 660 /etc/sasldb2"
)
"""What the install script of Debian's package does."""
SNAKEOIL = (
    "cd /etc/ssl; openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=$(hostname)"
    " -addext basicConstraints=CA:FALSE -addext subjectAltName=DNS:$(hostname)"
    " -keyout private/ssl-cert-snakeoil.key -out certs/ssl-cert-snakeoil.pem 2>/dev/null;"
    "chmod 640 private/ssl-cert-snakeoil.key"
)
"""What ssl-cert does when Postfix is installed."""
ANSWERS = "/etc/exim4/update-exim4.conf.conf"


class StockHost(MailHost):
    """A host right after ``apt-get install``: nobody has configured anything."""

    is_cold = True

    def __init__(self, lab: Lab, name: str, software: Software) -> None:
        super().__init__(lab.host(name, software))
        self.host.run(("rm", "-rf", "/etc/smtpcreds"))

    def is_spotless(self, program: str) -> bool:
        """Tell whether whatever one asks says that all is well."""
        nothing_due = "nothing is due" in self("status")
        return (
            nothing_due
            and self("audit").startswith("nothing found\n")
            and "ok" in self("mta", "check", program)
        )


def postfix(lab: Lab, name: str, lines: str = "", software: Software = POSTFIX) -> StockHost:
    """Return a host with Postfix as Debian starts it."""
    made = StockHost(lab, name, software)
    made.host.shell(SNAKEOIL)
    server = Postfix(made.host)
    server.configure(lines)
    server.start()
    return made


def local_exim(lab: Lab, name: str, smart_host: str = "") -> StockHost:
    """Return a host with Exim that listens for itself alone."""
    made = StockHost(lab, name, EXIM)
    server = Exim(made.host, smart_host=smart_host)
    answers = made.host.path(ANSWERS).read_text()
    kind = "smarthost" if smart_host else "local"
    answers = re.sub(r"(configtype)='\w+'", rf"\1='{kind}'", answers)
    made.host.write(ANSWERS, answers.replace("interfaces=''", "interfaces='127.0.0.1 ; ::1'"))
    server.start()
    return made


def set_up(hub: StockHost, *words: str) -> str:
    return hub("setup", HUB, "--no-passphrase", *words, "--edit", "--run")


def admit(hub: StockHost, client: StockHost, program: str) -> str:
    """Type the second command on the hub, and the one on the client host."""
    file = f"/var/lib/{client.host.name}.tar"
    hub("bundle", client.host.name, "--mta", program, "-o", file)
    carry(hub.host, file, client.host, "/var/lib")
    return client("setup", "--client", file, "--edit", "--run")


def relayed(lab: Lab, hub: StockHost, client: StockHost) -> str:
    """Return how the hub received what was sent."""
    try:
        received = lab.sink.receive().headers["Received"]
    except LabError as error:
        raise LabError("\n".join([str(error), *hub.log.lines[-30:]])) from None
    return " ".join(received.split()).partition(client.host.name)[2]


@pytest.fixture
def msmtp(lab: Lab) -> StockHost:
    return StockHost(lab, f"attic.{DOMAIN}", MSMTP)


def send(client: StockHost) -> None:
    Msmtp(client.host).send(f"polkafan@{client.host.name}", FOREIGN)


def test_a_hub_with_postfix_that_was_for_local_mail_only(lab: Lab, msmtp: StockHost) -> None:
    hub = postfix(lab, HUB, f"{LOCAL_ONLY}relayhost = [{lab.sink.address}]\n")
    assert f" setup {HUB} --mta postfix --edit --run" in hub.run("audit").out
    checked = hub.run("mta", "check", "postfix-hub").out
    assert f" setup {HUB}\n" in checked
    assert "cert issue" not in checked, "which needs an authority"
    words = readme_words("test_a_hub_with_postfix_that_was_for_local_mail_only")[0]
    said = hub(*words, "--no-passphrase")
    assert "ran: postfix reload\nran: service postfix restart\n" in said
    assert "use it as:" in admit(hub, msmtp, "msmtp")
    send(msmtp)
    assert "SMTPSA" in relayed(lab, hub, msmtp)
    assert not hub.log.find("overriding earlier entry|legacy *parameters will be ignored")
    assert hub.is_spotless("postfix-hub")
    assert msmtp.is_spotless("msmtp")


def test_a_postfix_hub_that_listens_on_587(lab: Lab, msmtp: StockHost) -> None:
    hub = postfix(lab, HUB, f"relayhost = [{lab.sink.address}]\n")
    set_up(hub, "--mta", "postfix")
    (line,) = readme_lines("test_a_postfix_hub_that_listens_on_587")
    hub.host.shell(line)
    hub.host.await_port(587)
    hub("bundle", "attic", "--mta", "msmtp", "--port", "587", "-o", "/var/lib/attic.tar")
    carry(hub.host, "/var/lib/attic.tar", msmtp.host, "/var/lib")
    msmtp("setup", "--client", "/var/lib/attic.tar", "--edit", "--run")
    send(msmtp)
    assert "SMTPSA" in relayed(lab, hub, msmtp)
    hub.host.shell("postconf -e smtpd_sasl_service=submission")
    Postfix(hub.host).reload()
    with pytest.raises(LabError, match="authentication failed"):
        send(msmtp)
    cure = "postconf -e smtpd_sasl_service=smtp && postfix reload"
    assert "MTA117 error  /etc/postfix/main.cf: says smtpd_sasl_service=submission" in hub.run("audit")
    assert f"  cure: {cure}\n" in hub.run("audit")
    hub.host.shell(cure)
    Postfix(hub.host).reload()
    send(msmtp)


def test_a_hub_with_exim_that_was_for_itself_alone(lab: Lab, msmtp: StockHost) -> None:
    hub = local_exim(lab, HUB, lab.sink.address)
    hub.host.shell(SASL2_BIN)
    words = readme_words("test_a_hub_with_exim_that_was_for_itself_alone")[1]
    said = hub(*words, "--no-passphrase")
    assert "ran: usermod -a -G sasl Debian-exim\n" in said
    assert "ran: kill -HUP" in said
    await_start(hub.host, "listening for SMTP on port 25")
    hub.host.await_port(25)
    admit(hub, msmtp, "msmtp")
    send(msmtp)
    assert "with esmtpsa" in relayed(lab, hub, msmtp)
    assert hub.is_spotless("exim-hub")
    begins_anew(hub, "exim")
    hub("bundle", "attic", "--mta", "msmtp", "-o", "/var/lib/attic.tar", "--force")
    carry(hub.host, "/var/lib/attic.tar", msmtp.host, "/var/lib")
    msmtp("setup", "--client", "/var/lib/attic.tar", "--edit", "--run", "--force")
    send(msmtp)
    assert "with esmtpsa" in relayed(lab, hub, msmtp)
    hub("ca", "rollover", "--retire-old", "--force")
    assert "mta apply exim-hub --run" in hub.run("audit").out
    hub("mta", "apply", "exim-hub", "--run")
    assert hub.is_spotless("exim-hub")


def begins_anew(hub: StockHost, program: str) -> None:
    """Lose the state directory, and type what ``ca init --force`` prints, as far as it is for the hub."""
    hub.host.shell("rm -r /var/lib/smtpcreds")
    said = hub("ca", "init", "--no-passphrase", "--force")
    hub("cert", "issue", HUB, "--force")
    cure = "mta apply exim-hub --force --edit --run"
    found = hub.run("audit").out
    assert "CERT003 error  /etc/exim4/smtpcreds/cert.pem: is of polkatistas.org Mail CA, which is" in found
    assert cure in found
    way = f" setup {HUB} --mta {program} --force --edit --run\n"
    assert way in said
    started = len(hub.log.find("listening for SMTP on port 25"))
    hub(*way.split())
    hub.log.wait("listening for SMTP on port 25", started + 1)
    assert "CERT003" not in hub.run("audit").out


def dovecot_beside(unpacked: Path, layer: Path) -> None:
    POSTFIX.lay(unpacked, layer)
    DOVECOT.lay(unpacked, layer)


def test_a_hub_with_postfix_whose_accounts_dovecot_checks(lab: Lab, msmtp: StockHost) -> None:
    software = Software((*POSTFIX.packages, *DOVECOT.packages), dovecot_beside)
    hub = postfix(lab, HUB, f"relayhost = [{lab.sink.address}]\n", software)
    Dovecot(hub.host).start("/run/dovecot/auth-login")
    words = readme_words("test_a_hub_with_postfix_whose_accounts_dovecot_checks")[2]
    assert f" {' '.join(words)}\n" in hub.run("audit").out, "as CERT024's cure"
    said = hub(*words, "--no-passphrase")
    assert "ran: doveadm reload\n" in said
    warned = hub.run("bundle", "attic", "--mta", "msmtp", "--dry-run").warnings
    assert any("offers SCRAM-SHA-256 alone, by which msmtp since 1.8.26 can't" in line for line in warned)
    assert any(line.endswith(" then this again with --new-key") for line in warned)
    (line,) = (line for line in page_lines("smtpcreds.1") if "--mta dovecot" in line)
    hub(*line.split()[1:], "--no-passphrase")
    admit(hub, msmtp, "msmtp")
    send(msmtp)
    assert "SMTPSA" in relayed(lab, hub, msmtp)
    hub.log.wait(f"sasl_method=PLAIN, sasl_username={ACCOUNT}")
    assert hub.is_spotless("postfix-hub")
    assert "ok" in hub("mta", "check", "dovecot-hub")


def test_words_that_make_no_hub(lab: Lab) -> None:
    hub = StockHost(lab, HUB, POSTFIX)
    assert "one mail server too many" in hub.refused("setup", HUB, "--mta", "postfix", "--mta", "exim")
    assert "is no choice of postfix-hub" in hub.refused("setup", HUB, "--mta", "postfix", "--with", "split")
    assert "is about the files of a mail program" in hub.refused("setup", HUB, "--plaintext")
    assert not hub.host.path("/etc/smtpcreds").exists()


@dataclass(frozen=True)
class Kind:
    """A client host as its packages leave it, and how mail is sent there."""

    make: Callable[[Lab, str], StockHost]
    sender: Callable[[Host], Sender]
    remark: str = ""


def bare(software: Software) -> Callable[[Lab, str], StockHost]:
    return lambda lab, name: StockHost(lab, name, software)


def nullmailer(lab: Lab, name: str) -> StockHost:
    made = StockHost(lab, name, NULLMAILER)
    made.host.shell("echo mail.polkatistas.org > /etc/nullmailer/remotes")
    made.host.shell("cd /etc/nullmailer; chmod 600 remotes; chown mail:mail remotes")
    return made


class RunningOpenSmtpd(OpenSmtpd):
    """The daemon that ``--run`` started."""

    def send(self, sender: str, recipient: str) -> str:
        self.host.await_port(25)
        return self._send(sender, recipient)


CLIENTS = {
    "postfix": Kind(lambda lab, name: postfix(lab, name, LOCAL_ONLY), Postfix, "CERT024 note"),
    "exim": Kind(local_exim, Exim),
    "msmtp": Kind(bare(MSMTP), Msmtp),
    "nullmailer": Kind(nullmailer, Nullmailer),
    "dma": Kind(bare(DMA), Dma),
    "opensmtpd-client": Kind(bare(OPENSMTPD), RunningOpenSmtpd),
    "curl": Kind(
        bare(CURL),
        lambda host: Curl(
            host, f"curl -q -K {curl.PATH} --mail-from SENDER --mail-rcpt RECIPIENT --upload-file MESSAGE"
        ),
    ),
    "swaks": Kind(
        bare(SWAKS),
        lambda host: Swaks(host, f"swaks --config {swaks.PATH} --from SENDER --to RECIPIENT"),
    ),
}


@pytest.fixture(scope="module")
def open_lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def open_hub(open_lab: Lab) -> StockHost:
    """A hub that offers PLAIN and LOGIN, too."""
    hub = postfix(open_lab, HUB, f"relayhost = [{open_lab.sink.address}]\n")
    set_up(hub, "--mta", "postfix", "--plaintext")
    return hub


@pytest.mark.parametrize("program", CLIENTS)
def test_a_client_host_relays_after_one_command(open_lab: Lab, open_hub: StockHost, program: str) -> None:
    kind = CLIENTS[program]
    client = kind.make(open_lab, f"{program}.{DOMAIN}")
    assert "error" not in client("audit")
    meant = {"attic": client.host.name, "msmtp": program}
    (line,) = readme_lines("test_a_client_host_relays_after_one_command", meant)
    if program == "nullmailer":
        assert line in page_lines("smtpcreds.1", {"attic": client.host.name})
    there, here = line.split(f" | ssh root@{client.host.name} ")
    bundled = open_hub.run(*shlex.split(there)[1:])
    assert bundled.status == 0, bundled
    done = client.run(*shlex.split(here)[1:], stdin=bundled.octets)
    assert done.status == 0, done
    kind.sender(client.host).send(f"polkafan@{client.host.name}", FOREIGN)
    assert "SMTPSA" in relayed(open_lab, open_hub, client)
    name = f"{program}-client" if program in {"postfix", "exim"} else program
    assert "ok" in client("mta", "check", name)
    assert "nothing is due" in client("status")
    audit = client("audit")
    assert kind.remark in audit if kind.remark else audit.startswith("nothing found\n")


def test_a_program_that_knows_plain_only_waits_for_a_hub_that_offers_it(lab: Lab) -> None:
    hub = postfix(lab, HUB)
    set_up(hub, "--mta", "postfix")
    refused = hub.refused("bundle", "attic", "--mta", "nullmailer")
    (way,) = readme_lines("test_a_program_that_knows_plain_only_waits_for_a_hub_that_offers_it")
    assert "which this hub does not offer" in refused
    assert way in refused
    hub(*way.split()[1:])
    assert "nullmailer" in hub("bundle", "attic", "--mta", "nullmailer", "-o", "/var/lib/attic.tar")
