"""``smtpcreds probe`` and ``audit`` against a real Exim with Cyrus SASL."""

from collections.abc import Iterator

import pytest
from failure_scene import answer
from lab import Lab
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, EximClient, EximHub
from test_live_probe import failed

from smtpcreds.probe.session import PROVED

pytestmark = pytest.mark.live

MECHANISMS = ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")
SECRET = "/var/lib/secret"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def hub(lab: Lab) -> EximHub:
    """A hub that relays for a login, or for the certificate of one client host."""
    hub = EximHub(lab)
    config = hub.host.path("/etc/smtpcreds/smtpcreds.toml")
    config.write_text(config.read_text() + f'[mta]\nplaintext = true\nrelay_hosts = ["{CLIENT}"]\n')
    return hub


@pytest.fixture(scope="module")
def client(lab: Lab, hub: EximHub) -> EximClient:
    """A host that only probes."""
    client = EximClient(lab, hub)
    hub.start()
    client.host.write(SECRET, hub("sasl", "show", ACCOUNT, "--reveal"), 0o600)
    return client


def test_every_mechanism_and_every_refusal(lab: Lab, client: EximClient) -> None:
    words = ("--password", f"file:{SECRET}", "--client", "attic", "--send", "--to", FOREIGN)
    steps = {s["step"]: s for s in answer(client, "probe", f"smtp://{ACCOUNT}@dmzmail", *words)["steps"]}
    assert not failed(steps)
    assert sorted(steps["mechanisms"]["detail"].split()) == sorted(MECHANISMS)
    for mechanism in MECHANISMS:
        assert steps[f"auth {mechanism}"]["detail"] in {"235 Authentication succeeded", PROVED}
        assert steps[f"wrong password, {mechanism}"]["detail"].startswith("refused: 535")
    assert steps["client certificate"]["detail"] == "accepted; it allows relaying"
    assert steps["no certificate"]["detail"] == "earns nothing"
    assert lab.sink.receive().headers["X-Smtpcreds-Probe"] in steps["send"]["detail"]


def test_a_hub_that_takes_one_connection_at_a_time(hub: EximHub, client: EximClient) -> None:
    template = hub.host.path("/etc/exim4/exim4.conf.template")
    text, starts = template.read_text(), hub.starts()
    template.write_text(f"smtp_accept_max_per_host = 1\n{text}")
    hub.exim.reload()
    hub.await_start(starts + 1)
    words = ("--password", f"file:{SECRET}", "--client", "attic")
    steps = {s["step"]: s for s in answer(client, "probe", f"smtp://{ACCOUNT}@dmzmail", *words)["steps"]}
    hub.host.log.wait("too many connections from|Connection from .* refused")
    assert not failed(steps)
    assert not [name for name, step in steps.items() if step["outcome"] == "unknown"]
    template.write_text(text)
    hub.exim.reload()
    hub.await_start(starts + 2)


def test_accounts_that_exim_can_not_read(hub: EximHub, client: EximClient) -> None:
    hub.host.run(("chmod", "0600", "/etc/sasldb2"))
    words = ("--password", f"file:{SECRET}", "--no-negative")
    steps = {s["step"]: s for s in answer(client, "probe", f"smtp://{ACCOUNT}@dmzmail", *words)["steps"]}
    assert failed(steps) == {f"auth {mechanism}" for mechanism in MECHANISMS}
    hub.host.log.wait("generic failure")
    found = answer(hub, "audit")["findings"]
    assert [finding["code"] for finding in found] == ["PERM016"]
    hub.host.shell(found[0]["cure"])
    assert answer(hub, "audit")["findings"] == []
