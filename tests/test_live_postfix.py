"""Real Postfixes run from what ``smtpcreds mta apply`` wrote, plus the lines that it told people to add.

The commands are typed on the hosts of the lab themselves; smtpd is chrooted, as on any Debian.
"""

import re
from pathlib import Path

import pytest
from admin import HUB
from lab import Lab
from mail_hosts import (
    ACCOUNT,
    CLIENT,
    PostfixMachine,
    SendmailMachine,
    answers,
    certified_outside,
    give_secret,
    issue,
    pair_of,
    postfix_hub,
)

pytestmark = pytest.mark.live

REFUSED_LOGIN = "status=deferred (SASL authentication failed"
SECRET = ("--password", "file:/var/lib/secret")


def received(lab: Lab) -> str:
    """Return the hub's Received line of the message that left the lab."""
    return " ".join(lab.sink.receive().headers["Received"].split())


def test_postfix_relays_by_every_mechanism_until_the_account_is_deleted(lab: Lab) -> None:
    """Changes of the account count at once, through the copy in the chroot."""
    hub = postfix_hub(lab)
    client = PostfixMachine(lab, CLIENT, "postfix-client")
    issue(hub, client)
    hub.apply("--plaintext")
    give_secret(hub, client)
    client.apply(*SECRET, "--plaintext")
    for mechanism in ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"):
        client.host.run(("postconf", "-e", f"smtp_sasl_mechanism_filter={mechanism.lower()}"))
        client.postfix.reload()
        assert "status=sent" in client.send()
        assert re.search(rf"from {CLIENT} .*by {HUB} .*with (?:E|UTF8)SMTPSA", received(lab))
        hub.log.wait(rf"sasl_method={mechanism}, sasl_username={ACCOUNT}(@{HUB})?$")
    client.log.wait(rf"Verified TLS connection established to {HUB}")
    assert not client.log.find("(Trusted|Untrusted|Anonymous) TLS")

    audited = hub.run("audit")
    assert audited.status in {0, 1}, "other things may be wrong"
    assert not re.search("(PERM|SASL|MTA).* error", audited.out)

    hub("sasl", "passwd", ACCOUNT)
    assert REFUSED_LOGIN in client.send()
    client.host.run(("postsuper", "-d", "ALL"))
    give_secret(hub, client)
    client("mta", "apply", "postfix-client", *SECRET, "--mechanism", "LOGIN", "--run")
    assert "status=sent" in client.send()
    received(lab)
    hub("sasl", "delete", ACCOUNT)
    assert REFUSED_LOGIN in client.send()
    client.host.run(("postsuper", "-d", "ALL"))
    assert lab.sink.empty()
    assert not hub.log.find("[Pp]ermission denied|differ$|fatal:|unknown password verifier")

    hub("sasl", "add", ACCOUNT)
    hub.change("--plaintext", "--with", "unchrooted")
    hub.host.run(("chmod", "0600", "/etc/postfix/sasl/smtpd.conf"))  # as one with a password of a role is
    hub.postfix.reload()
    give_secret(hub, client)
    client("mta", "apply", "postfix-client", *SECRET, "--mechanism", "LOGIN", "--run")
    assert "status=sent" in client.send()
    assert hub.host.run(("stat", "-c", "%U:%G %a", "/etc/sasldb2")) == "root:postfix 640\n"


def test_postfix_relays_for_sendmail_by_account_and_then_by_certificate_until_it_is_revoked(lab: Lab) -> None:
    hub = postfix_hub(lab)
    client = SendmailMachine(lab, CLIENT, "sendmail-client")
    issue(hub, client)
    hub.apply("--relay-host", CLIENT)
    give_secret(hub, client)
    client.apply(*SECRET)
    assert "stat=Sent" in client.send()
    assert re.search(rf"Client CN \"{CLIENT}\", Issuer .*verified OK.*with (?:E|UTF8)SMTPSA", received(lab))
    client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
    hub.log.wait(rf"Trusted TLS connection established from {CLIENT}")
    hub.log.wait(r"sasl_method=SCRAM-SHA-256")

    hub("sasl", "delete", ACCOUNT)
    assert "stat=Sent" in client.send()
    assert re.search(r"verified OK.*with (?:E|UTF8)SMTPS ", received(lab))

    hub("cert", "revoke", CLIENT)
    assert "is as smtpcreds wrote it once" in hub.refused(
        "mta", "check", "postfix-hub", "--relay-host", CLIENT
    )
    hub.change("--relay-host", CLIENT)
    assert "dsn=5.7.1" in client.send()
    assert lab.sink.empty()


def test_sendmail_relays_for_postfix_that_gives_nothing_to_another_hub(lab: Lab) -> None:
    hub = SendmailMachine(lab, HUB, "sendmail-hub", f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n")
    hub("setup", HUB, "--no-passphrase")
    client = PostfixMachine(lab, CLIENT, "postfix-client")
    issue(hub, client)
    hub.apply()
    give_secret(hub, client)
    client.apply(*SECRET, "--with", "lmdb")
    assert "status=sent" in client.send()
    received(lab)
    client.change(*SECRET, "--with", "hash")
    assert "status=sent" in client.send()
    assert re.search(rf"from {CLIENT} .*by {HUB} .*with (?:E|UTF8)SMTPSA.*verify=OK", received(lab))
    hub.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=SCRAM-SHA-256,")
    client.log.wait(rf"Verified TLS connection established to {HUB}")

    hub("--root", "/var/lib/other", "setup", HUB, "--no-passphrase")
    pair = "/var/lib/other/etc/mail/certs/dmzmail-key.pem /var/lib/other/etc/mail/certs/dmzmail-cert.pem"
    hub.host.shell(f"cp {pair} /etc/mail/certs")
    hub.sendmail.reload()
    assert "status=deferred (Server certificate not verified)" in client.send()
    client.log.wait("certificate verification failed for .*untrusted issuer")
    assert len(hub.log.find("AUTH=server")) == 2
    assert lab.sink.empty()


def test_postfix_relays_for_keys_and_for_no_client_of_the_ca_that_certified_the_hub(
    lab: Lab, tmp_path: Path
) -> None:
    hub = postfix_hub(lab)
    client = SendmailMachine(lab, CLIENT, "sendmail-client")
    issue(hub, client)
    hub.apply("--relay-host", CLIENT)
    assert answers(hub, client, pair_of(client.host)) == (0, 250)
    foreign = certified_outside(hub, tmp_path)
    hub.postfix.reload()
    assert answers(hub, client, foreign)[1] >= 450
    hub.log.wait(r"Trusted TLS connection established from", 2)
    assert answers(hub, client, pair_of(client.host)) == (0, 250)
