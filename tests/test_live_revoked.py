"""Revoked and replaced pairs on real mail servers, after all that happens in the life of an authority."""

import re
import smtplib
import ssl
from collections.abc import Callable

import pytest
from admin import DOMAIN, HUB
from lab import Lab
from lab.commands import CURL
from lab.exim import EXIM
from mail_hosts import FOREIGN, EximClient, EximHub, MailHost, SendmailHub, carry, postfix_hub

pytestmark = pytest.mark.live

BY_CERTIFICATE = ("--relay-host", "attic")
PAIRS = "/var/lib/pairs"
TWO = (*BY_CERTIFICATE, "--relay-host", "tuba")


class Client:
    """A host elsewhere in the network, which shows whatever pair it has got hold of."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host(f"elsewhere.{DOMAIN}", CURL)

    def asks(self, hub: MailHost, pair: str) -> int:
        """Return what the hub says to mail for elsewhere from who shows the pair, with its chain."""
        context = ssl.create_default_context(cafile=hub.host.path("/etc/mail/certs/cacert.pem"))
        context.load_cert_chain(hub.host.path(f"{pair}-cert.pem"), hub.host.path(f"{pair}-key.pem"))
        with self.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as found:
            found._host = HUB  # type: ignore[attr-defined]
            found.ehlo(self.host.name)
            found.starttls(context=context)
            found.ehlo(self.host.name)
            assert found.mail("")[0] == 250
            return found.rcpt(FOREIGN)[0]


@pytest.fixture
def client(lab: Lab) -> Client:
    return Client(lab)


def stolen(hub: MailHost) -> str:
    """Issue a pair for the client host, and keep a copy of it as a thief would."""
    hub("cert", "issue", "attic", "--to", "/var/lib/attic")
    hub.host.run(("cp", "-a", "/var/lib/attic", "/var/lib/stolen"))
    return "/var/lib/stolen/attic"


def test_exim_refuses_a_stolen_pair_whose_name_has_another_key_of_a_new_authority(
    lab: Lab, client: Client
) -> None:
    hub = EximHub(lab)
    pair = stolen(hub)
    hub.start(*BY_CERTIFICATE)
    assert client.asks(hub, pair) == 250
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    hub("cert", "issue", "attic", "--force", "--to", "/var/lib/attic")
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail")
    hub.again(*BY_CERTIFICATE)
    assert client.asks(hub, pair) == 550
    assert client.asks(hub, "/var/lib/attic/attic") == 250


def test_exim_refuses_the_chain_of_a_retired_issuing_ca(lab: Lab, client: Client) -> None:
    hub = EximHub(lab, "", EXIM, "--intermediate")
    pair = stolen(hub)
    hub.start(*BY_CERTIFICATE)
    assert client.asks(hub, pair) == 250
    end_of_issuing_ca(hub)
    hub.again(*BY_CERTIFICATE)
    assert client.asks(hub, pair) == 550
    assert client.asks(hub, "/var/lib/attic/attic") == 250


@pytest.mark.parametrize("authority", [(), ("--intermediate",)], ids=["root", "intermediate"])
def test_exim_asks_each_authority_of_a_rollover_for_its_own_revocations(
    lab: Lab, client: Client, authority: tuple[str, ...]
) -> None:
    hub = EximHub(lab, "", EXIM, *authority)
    old, new = stolen(hub), "/var/lib/tuba/tuba"
    hub.start("--relay-certificates")
    hub("ca", "rollover")
    hub("cert", "issue", "tuba", "--to", "/var/lib/tuba")
    for renews in (False, True):
        if renews:
            hub("cert", "renew", "dmzmail")
        hub.again("--relay-certificates")
        assert (client.asks(hub, old), client.asks(hub, new)) == (250, 250)
    hub("cert", "revoke", "attic")
    hub.again("--relay-certificates")
    assert (client.asks(hub, old), client.asks(hub, new)) == (550, 250)
    hub("cert", "revoke", "tuba")
    hub.again("--relay-certificates")
    assert (client.asks(hub, old), client.asks(hub, new)) == (550, 550)


def step_after_retirement(hub: MailHost, client: Client, reload: Callable[[], object]) -> str:
    """Retire the authority of two hosts, and return the printed step; before it is typed both relay.

    Only the second host has got a certificate of the new authority.
    """
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail", "tuba")
    reload()
    told = hub("ca", "rollover", "--retire-old", "--force")
    assert asked(hub, client) == [250, 250]
    (step,) = re.findall(r"smtpcreds (mta apply .*--run)", told)
    return str(step)


def asked(hub: MailHost, client: Client) -> list[int]:
    return [client.asks(hub, f"{PAIRS}/{name}") for name in ("attic", "tuba")]


def test_postfix_relays_for_keys_of_a_retired_authority_until_the_printed_step_is_typed(
    lab: Lab, client: Client
) -> None:
    """It believes its list of keys, whoever signed them."""
    hub = postfix_hub(lab)
    hub("cert", "issue", "attic", "tuba", "--to", PAIRS)
    hub.apply(*TWO)
    hub(*step_after_retirement(hub, client, hub.postfix.reload).split())
    assert asked(hub, client) == [554, 250]


def test_exim_relays_for_keys_of_a_retired_authority_until_the_printed_step_is_typed(
    lab: Lab, client: Client
) -> None:
    """It has read the CA certificates when it started."""
    hub = EximHub(lab)
    hub("cert", "issue", "attic", "tuba", "--to", PAIRS)
    hub.start(*TWO)
    starts = hub.starts()
    step = step_after_retirement(hub, client, lambda: hub.again(*TWO))
    hub(*step.split())
    hub.await_start(starts + 2)
    assert asked(hub, client) == [550, 250]


def test_an_exim_that_looks_at_crls_believes_the_hub_through_a_rollover(lab: Lab) -> None:
    hub = SendmailHub(lab, "--intermediate")
    hub.start()
    exim = EximClient(lab, hub)
    exim.start(hub.secret(), "--crl")
    sent = "=> .* R=smtpcreds_hub .* CV=yes"
    assert re.search(sent, exim.send())
    for words in (
        "ca rollover",
        "cert renew dmzmail",
        "cert renew --old-authority",
        "ca rollover --retire-old",
    ):
        hub(*words.split())
        hub.sendmail.reload()
        carry(hub.host, f"/var/lib/{exim.host.name}/.", exim.host, "/etc/mail/certs")
        exim("mta", "apply", "exim-client", "--password", "stdin:", stdin=hub.secret())
        assert re.search(sent, exim.send()), words
    hub("cert", "revoke", "dmzmail")
    carry(hub.host, f"/var/lib/{exim.host.name}/.", exim.host, "/etc/mail/certs")
    exim("mta", "apply", "exim-client", "--password", "stdin:", stdin=hub.secret())
    assert re.search("== .* defer ", exim.send())


def end_of_issuing_ca(hub: MailHost) -> None:
    """Revoke the pair that was stolen, give its host another one by a new issuing CA, and retire the old."""
    hub("cert", "revoke", "attic", "--reason", "keyCompromise")
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    hub("cert", "issue", "attic", "--force", "--to", "/var/lib/attic")
    hub("ca", "rollover", "--retire-old")


def relaying_sendmail(lab: Lab, client: Client, *authority: str) -> tuple[SendmailHub, str]:
    """Start a hub that relays for every verified certificate; return it with the pair of a host."""
    hub = SendmailHub(lab, *authority)
    pair = stolen(hub)
    hub.start("--relay-certificates")
    apply(hub)
    assert client.asks(hub, pair) == 250
    return hub, pair


def apply(hub: SendmailHub) -> None:
    hub.equip("sendmail-hub", "--relay-certificates")
    hub.host.write("/etc/mail/access", hub.host.path("/etc/mail/smtpcreds/access").read_text())
    hub.host.shell("cd /etc/mail && makemap hash access < access")
    hub.sendmail.reload()


def test_sendmail_relays_for_both_authorities_and_not_for_what_either_revoked(
    lab: Lab, client: Client
) -> None:
    hub, pair = relaying_sendmail(lab, client)
    hub("ca", "rollover")
    hub("cert", "issue", "tuba", "--to", "/var/lib/tuba")
    apply(hub)
    assert client.asks(hub, pair) == client.asks(hub, "/var/lib/tuba/tuba") == 250
    hub("cert", "revoke", "attic")
    hub("cert", "revoke", "tuba")
    apply(hub)
    assert (client.asks(hub, pair), client.asks(hub, "/var/lib/tuba/tuba")) == (550, 550)


def compiled(hub: SendmailHub, *options: str) -> None:
    hub.equip("sendmail-hub", *options)
    hub.host.write("/etc/mail/access", hub.host.path("/etc/mail/smtpcreds/access").read_text())
    hub.host.shell("cd /etc/mail && makemap hash access < access && m4 sendmail.mc > sendmail.cf")
    hub.sendmail.reload()


@pytest.mark.parametrize("options", [BY_CERTIFICATE, ("--relay-certificates",)], ids=lambda words: words[0])
def test_sendmail_refuses_a_stolen_pair_whose_name_has_another_key_that_nobody_revoked(
    lab: Lab, client: Client, options: tuple[str, ...]
) -> None:
    hub = SendmailHub(lab)
    pair = stolen(hub)
    hub.start(*options)
    compiled(hub, *options)
    assert client.asks(hub, pair) == 250
    hub("cert", "renew", "attic")  # the same key: both certificates relay, and nothing was applied
    carried = "/var/lib/attic/attic"
    assert client.asks(hub, pair) == client.asks(hub, carried) == 250
    hub("cert", "issue", "attic", "--force", "--to", "/var/lib/attic")
    assert client.asks(hub, carried) == 250
    assert "hub.m4" in hub.run("mta", "check", "sendmail-hub").out
    compiled(hub, *options)
    assert client.asks(hub, pair) == 550
    assert client.asks(hub, carried) == 250
    assert "ok" in hub("mta", "check", "sendmail-hub")
    hub.host.run(("cp", "-a", "/var/lib/attic", "/var/lib/before"))
    hub("cert", "renew", "attic", "--new-key")
    assert client.asks(hub, carried) == client.asks(hub, "/var/lib/before/attic") == 250
    compiled(hub, *options)
    assert (client.asks(hub, carried), client.asks(hub, "/var/lib/before/attic")) == (250, 550)


def test_sendmail_refuses_the_chain_of_a_retired_issuing_ca(lab: Lab, client: Client) -> None:
    """What the CA revoked, and also what it did not: its root has revoked the CA itself."""
    hub, pair = relaying_sendmail(lab, client, "--intermediate")
    hub("cert", "issue", "tuba", "--to", "/var/lib/tuba")
    hub.host.run(("cp", "-a", "/var/lib/tuba", "/var/lib/forgotten"))
    end_of_issuing_ca(hub)
    apply(hub)
    for number, old in enumerate((pair, "/var/lib/forgotten/tuba"), 1):
        assert client.asks(hub, old) == 550
        hub.log.wait(rf"STARTTLS=server, relay=elsewhere\.{DOMAIN} .*verify=FAIL", number)
    for new in ("/var/lib/attic/attic", "/var/lib/tuba/tuba"):
        assert client.asks(hub, new) == 250
