"""Real Exims, and Sendmail at the other end, run from what ``smtpcreds mta apply`` wrote and printed."""

import base64
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from admin import HUB
from lab import EXIM, Lab
from mail_hosts import (
    ACCOUNT,
    CLIENT,
    FOREIGN,
    HAND_WRITTEN,
    SENDER,
    EximClient,
    EximHub,
    MailHost,
    SendmailClient,
    SendmailHub,
    answers,
    carry,
    certified_outside,
    pair_of,
)
from mta.facts import FACTS

from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Account, Credential
from smtpcreds.mta import exim_client
from smtpcreds.mta.program import File, is_secret, octets
from smtpcreds.passwords import ALPHABET
from smtpcreds.secret import Secret

pytestmark = pytest.mark.live


def assert_relayed(lab: Lab, hub: MailHost, client: EximClient) -> None:
    answer = client.send()
    assert re.search("=> .* R=smtpcreds_hub .* CV=yes .*A=smtpcreds_cram_md5", answer), hub.host.log.lines
    hub.host.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")
    hub.host.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=CRAM-MD5,")
    assert lab.sink.receive().recipients == (FOREIGN,)


def test_client_exim_logs_in_at_hub_sendmail_but_not_at_an_impostor(lab: Lab) -> None:
    hub = SendmailHub(lab)
    hub.start()
    client = EximClient(lab, hub)
    client.start(hub.secret())
    assert_relayed(lab, hub, client)

    hub("--root", "/var/impostor", "setup", HUB, "--no-passphrase")
    hub.host.shell("cp /var/impostor/etc/mail/certs/*.pem /etc/mail/certs")
    hub.sendmail.reload()
    logins = len(hub.host.log.find("AUTH=server"))
    assert re.search(r"== .* defer .*certificate (verification failed|verify failed)", client.send())
    assert len(hub.host.log.find("AUTH=server")) == logins
    assert lab.sink.empty()


def test_client_exim_in_split_files_can_relay_by_certificate_alone(lab: Lab) -> None:
    hub = SendmailHub(lab)
    client = EximClient(lab, hub, "split")
    hub.equip("sendmail-hub", "--relay-host", CLIENT)
    hub.host.write("/etc/mail/access", hub.host.path("/etc/mail/smtpcreds/access").read_text())
    hub.start("--relay-host", CLIENT)
    client.start(hub.secret(), "--with", "auth-optional")
    assert_relayed(lab, hub, client)
    hub("sasl", "delete", ACCOUNT)
    assert re.search("=> .* CV=yes ", client.send())
    hub.host.log.wait(f"from=<{SENDER}>.*proto=ESMTPS,")


def test_client_exim_written_by_hand_finds_the_secret_whatever_the_hub_is_called(lab: Lab) -> None:
    """Exim's ``$host`` is the first name that the name service gives; our files do not depend on it."""
    hub = SendmailHub(lab)
    hub.start()
    client = EximClient(lab, hub, "hand-written")
    hosts = client.host.path("/etc/hosts")
    hosts.write_text(hosts.read_text().replace(f"{HUB} dmzmail", f"dmzmail {HUB}"))
    client.start(hub.secret())
    assert_relayed(lab, hub, client)


SURVIVE = (
    b"Ch1mp? ,03fuzz fl0ppi",
    bytes(octet for octet in range(1, 256) if octet not in b"\n\r^"),
    b" \tleading blanks",
    b":c:o:l:o:n:",
    b"# hash",
    b"\"quoted\" 'quoted'",
    b"back\\slash\\n \\N $1 ${x} %s ; ^ ^^",
    "Grüße €".encode(),
    ALPHABET.encode(),
    b"x" * exim_client.MAX_SECRET,
)
REFUSED = {
    b"": "is empty",
    b"^hat": "begins with ^",
    b"trailing ": "ends in a space",
    b"trailing\t": "ends in a space",
    b"two\nlines": "contains a line feed",
    b"two\rlines": "contains a carriage return",
    b"nul\0": "contains a NUL",
    b"x" * (exim_client.MAX_SECRET + 1): "is over 2047 octets",
}


def credentials(secret: bytes) -> bytes:
    """Return passwd.client for an account with the secret."""
    credential = Credential(Account(ACCOUNT, HUB), Secret(secret), HUB)
    found = exim_client.render(replace(FACTS, credential=credential))
    return octets(next(item.content for item in found if isinstance(item, File) and is_secret(item.content)))


def test_exim_reads_each_secret_back_or_it_is_refused_by_name(lab: Lab) -> None:
    """By the expansions that its authenticators use; ``^`` is doubled for them, as Exim wants it."""
    host = lab.host(CLIENT, EXIM)
    host.write("/etc/exim4/exim4.conf", HAND_WRITTEN.format(name=CLIENT, options="", sink=lab.sink.address))
    host.run(("mkdir", "/etc/exim4/smtpcreds"))
    auth = next(i for i in exim_client.render(FACTS) if i.path.endswith("client-auth.conf"))
    assert isinstance(auth, File)
    found = exim_client.parse(auth.path, octets(auth.content))
    user, secret = found["smtpcreds_cram_md5.client_name"], found["smtpcreds_cram_md5.client_secret"]
    plain = str(found["smtpcreds_plain.client_send"]).removeprefix("<; ")
    for value in SURVIVE:
        host.path(exim_client.CREDENTIALS).write_bytes(credentials(value))
        asked = "".join(f"${{str2b64:{text}}}\n" for text in (user, secret, plain))
        said = [base64.b64decode(line) for line in host.run(("exim4", "-be"), stdin=asked).split("\n")[:3]]
        doubled = value.replace(b"^", b"^^")
        assert said == [ACCOUNT.encode(), value, b"^" + ACCOUNT.encode() + b"^" + doubled]
    for value, reason in REFUSED.items():
        with pytest.raises(InexpressibleError, match=f"the secret {re.escape(reason)}") as refusal:
            credentials(value)
        assert not value or repr(value)[2:-1] not in str(refusal.value)


def assert_login(lab: Lab, hub: MailHost, client: SendmailClient) -> None:
    assert "stat=Sent" in client.send(), hub.host.log.lines
    hub.host.log.wait(rf"<= {SENDER} .* P=esmtpsa .* CV=yes .*A=smtpcreds_scram_sha_256:{ACCOUNT}")
    assert lab.sink.receive().recipients == (FOREIGN,)


def test_hub_exim_relays_by_certificate_until_it_is_revoked(lab: Lab) -> None:
    hub = EximHub(lab)
    client = SendmailClient(lab, hub)
    hub.start("--relay-host", CLIENT)
    assert_login(lab, hub, client)
    hub("sasl", "delete", ACCOUNT)
    assert "stat=Sent" in client.send(), hub.host.log.lines
    hub.host.log.wait(rf"<= {SENDER} .* P=esmtps .* CV=yes ")

    hub.again("--defaults")
    assert "dsn=5" in client.send()
    hub.again("--relay-host", CLIENT)
    assert "stat=Sent" in client.send()
    hub("cert", "revoke", CLIENT)
    hub.again("--relay-host", CLIENT)
    assert "dsn=5" in client.send()


def test_hub_exim_in_split_files_refuses_a_deleted_account(lab: Lab) -> None:
    hub = EximHub(lab, "split")
    client = SendmailClient(lab, hub)
    hub.start()
    assert_login(lab, hub, client)
    hub("sasl", "delete", ACCOUNT)
    assert "dsn=5" in client.send()
    hub.host.log.wait("smtpcreds_scram_sha_256 authenticator .*user not found")

    hub.host.run(("chmod", "0600", "/etc/sasldb2"))
    told = hub.refused("mta", "check", "exim-hub", *hub.style)
    assert "/etc/sasldb2 is closed to Debian-exim" in told


@contextmanager
def session(hub: MailHost, client: MailHost | None, *, tls: bool = True) -> Iterator[smtplib.SMTP]:
    """Connect to the hub from inside its network, with the client host's certificate or without one."""
    context = ssl.create_default_context(cafile=hub.host.path("/etc/mail/certs/cacert.pem"))
    if client:
        certs = client.host.path("/etc/mail/certs")
        context.load_cert_chain(certs / "attic-cert.pem", certs / "attic-key.pem")
    with hub.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as found:
        found._host = HUB  # type: ignore[attr-defined]
        found.ehlo(CLIENT)
        if tls:
            found.starttls(context=context)
            found.ehlo(CLIENT)
        yield found


def test_hub_exim_written_by_hand_offers_nothing_outside_tls_and_external_to_certificates_only(
    lab: Lab,
) -> None:
    """Exim 4.96 without the guard dies of a client that has no certificate."""
    hub = EximHub(lab, "hand-written")
    client = SendmailClient(lab, hub)
    hub.start("--plaintext", "--external")
    offered = {"SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}
    with session(hub, client, tls=False) as found:
        assert not found.has_extn("auth")
    with session(hub, None) as found:
        assert set(found.esmtp_features["auth"].split()) == offered
        assert found.docmd("AUTH", "EXTERNAL =")[0] == 504
    for identity, status in (("", 235), (CLIENT, 235), (HUB, 535)):
        with session(hub, client) as found:
            assert set(found.esmtp_features["auth"].split()) == {"EXTERNAL", *offered}
            said = base64.b64encode(identity.encode()).decode() or "="
            assert found.docmd("AUTH", f"EXTERNAL {said}")[0] == status
    assert_login(lab, hub, client)


@pytest.mark.parametrize("options", [("--external",), ("--relay-host", CLIENT)])
def test_hub_exim_trusts_clients_of_our_own_authority_only(
    lab: Lab, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """The outside CA certified the hub, and a client under the name of one of ours."""
    hub = EximHub(lab, "hand-written")
    client = SendmailClient(lab, hub)
    ours = pair_of(client.host)
    hub.start(*options)
    login = 235 if "--external" in options else 0
    assert answers(hub, client, ours) == (login, 250)
    foreign = certified_outside(hub, tmp_path)
    hub.again(*options)
    assert answers(hub, client, foreign) == (0, 550)
    assert answers(hub, client, ours) == (login, 250)


def test_hub_exim_takes_no_replaced_key_by_external(lab: Lab) -> None:
    hub = EximHub(lab, "hand-written")
    client = SendmailClient(lab, hub)
    hub.start("--external")
    assert answers(hub, client, pair_of(client.host)) == (235, 250)
    place = f"/var/lib/{CLIENT}"
    hub("cert", "renew", CLIENT)  # of the same key, so the former certificate still counts
    hub.again()
    assert answers(hub, client, pair_of(client.host)) == (235, 250)
    hub("cert", "issue", CLIENT, "--force", "--to", place)
    hub.again()
    assert answers(hub, client, pair_of(client.host)) == (535, 550)
    carry(hub.host, f"{place}/.", client.host, "/etc/mail/certs")
    assert answers(hub, client, pair_of(client.host)) == (235, 250)
