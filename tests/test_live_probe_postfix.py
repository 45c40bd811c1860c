"""``smtpcreds probe`` against a real Postfix: each mechanism, what must be refused, client certificates."""

from collections.abc import Iterator
from typing import Any

import pytest
from admin import HUB
from failure_scene import answer
from lab import Lab
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, Machine, PostfixMachine, issue, postfix_hub
from test_live_probe import failed

from smtpcreds.probe.session import PROVED

pytestmark = pytest.mark.live

URL = f"smtp://{ACCOUNT}@dmzmail"
HASHED = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5")
MECHANISMS = (*HASHED, "PLAIN", "LOGIN")
OFFER = (*(word for name in HASHED for word in ("--mechanism", name)), "--plaintext")
PASSWORD = ("--password", "file:/var/lib/secret")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def client(lab: Lab) -> Machine:
    """A host that only probes, with a certificate and the secret."""
    return PostfixMachine(lab, CLIENT, "postfix-client")


@pytest.fixture(scope="module")
def hub(lab: Lab, client: Machine) -> PostfixMachine:
    """A hub that offers all it can, and relays for the certificate of the client host."""
    hub = postfix_hub(lab)
    issue(hub, client, client.host.name)
    hub.apply(*OFFER, "--relay-host", CLIENT)
    client.host.write("/var/lib/secret", hub("sasl", "show", ACCOUNT, "--reveal"), 0o600)
    return hub


def probe(client: Machine, *words: str) -> dict[str, dict[str, Any]]:
    return {step["step"]: step for step in answer(client, "probe", *words)["steps"]}


def test_every_mechanism_and_every_refusal(lab: Lab, hub: PostfixMachine, client: Machine) -> None:
    steps = probe(client, URL, *PASSWORD, "--client", "attic", "--send", "--to", FOREIGN)
    assert not failed(steps)
    assert sorted(steps["mechanisms"]["detail"].split()) == sorted(MECHANISMS)
    assert steps["mechanisms before TLS"]["detail"] == "none"
    for mechanism in MECHANISMS:
        assert steps[f"auth {mechanism}"]["detail"] in {"235 2.7.0 Authentication successful", PROVED}
        assert steps[f"wrong password, {mechanism}"]["detail"].startswith("refused: 535 5.7.8")
        hub.log.wait(f"SASL {mechanism} authentication failed: authentication failure")
    assert "503 5.5.1" in steps["PLAIN before TLS"]["detail"]
    assert steps["client certificate"]["detail"] == "accepted; it allows relaying"
    assert steps["no certificate"]["detail"] == "earns nothing"
    message = lab.sink.receive()
    assert message.headers["X-Smtpcreds-Probe"] in steps["send"]["detail"]
    assert "SMTPSA " in " ".join(message.headers["Received"].split())


ONE = """\
smtpd_client_connection_count_limit = 1
smtpd_client_event_limit_exceptions =
"""


def test_a_hub_that_takes_one_connection_at_a_time(hub: PostfixMachine, client: Machine) -> None:
    main = hub.host.path("/etc/postfix/main.cf")
    text = main.read_text()
    main.write_text(text + ONE)
    hub.postfix.reload()
    steps = probe(client, URL, *PASSWORD, "--client", "attic")
    hub.log.wait("Connection concurrency limit exceeded")
    assert not failed(steps)
    assert not [name for name, step in steps.items() if step["outcome"] == "unknown"]
    main.write_text(text)
    hub.postfix.reload()


def test_an_account_in_full_and_one_that_is_none(hub: PostfixMachine, client: Machine) -> None:
    words = (*PASSWORD, "--no-negative", "--mechanism", "SCRAM-SHA-256")
    assert not failed(probe(client, f"smtp://{ACCOUNT}@{HUB}@dmzmail", *words))
    steps = probe(client, "smtp://nobody@dmzmail", *words)
    assert failed(steps) == {"auth SCRAM-SHA-256"}
    assert "535 5.7.8" in steps["auth SCRAM-SHA-256"]["detail"]


def test_a_certificate_that_was_revoked_relays_until_it_is_taken_from_the_list(
    hub: PostfixMachine, client: Machine
) -> None:
    """Postfix reads no CRL."""
    pair = (
        "--revoked-cert",
        "/etc/mail/certs/attic-cert.pem",
        "--revoked-key",
        "/etc/mail/certs/attic-key.pem",
    )
    words = ("smtp://dmzmail", *pair, "--send", "--to", FOREIGN)
    hub("cert", "revoke", CLIENT)
    steps = probe(client, *words)
    assert "revoked certificate" in failed(steps)
    assert "Postfix reads none at all" in steps["revoked certificate"]["cause"]
    hub.change(*OFFER)
    assert "revoked certificate" not in failed(probe(client, *words))
