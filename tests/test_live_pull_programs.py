"""Sendmail and Postfix on client hosts that fetch their bundles: with smtpcreds there, and without."""

import re
from collections.abc import Iterator

import pytest
from admin import HUB
from lab import Lab
from lab.sshd import LOGIN
from mail_hosts import ACCOUNT, MailHost
from pull_hosts import KNOWN_HOSTS, SCRIPT, Client, Hub, PostfixClient, SendmailClient

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def hub(lab: Lab) -> Hub:
    made = Hub(lab)
    made.start()
    return made


def relays(lab: Lab, client: Client) -> None:
    """Let it send a message, each side of which believes the other's certificate."""
    client.send()
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from {client.host.name} .*by {HUB} .* with ESMTPSA .*verify=OK", received)


def ours(installed: dict[str, str]) -> dict[str, str]:
    """Leave out what the test has broken, and what is made of that."""
    return {path: said for path, said in installed.items() if not path.endswith((".mc", ".cf.new"))}


KINDS: dict[str, tuple[type[Client], str, str]] = {
    "sendmail": (SendmailClient, "/etc/mail/sendmail.mc", "m4exit(`1')\n"),
    "postfix": (PostfixClient, "/etc/postfix/main.cf", "inet_protocols = accordion\n"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_with_ssh_openssl_and_tar_alone(lab: Lab, hub: Hub, kind: str) -> None:
    make, path, nonsense = KINDS[kind]
    client = make(lab, hub, f"plain-{kind}").join()
    assert client.pull() == (0, "")
    relays(lab, client)
    hub("sasl", "passwd", ACCOUNT)
    hub("cert", "renew", client.host.name)
    before = client.installed()
    usual = client.host.path(path).read_text()
    client.host.write(path, usual + nonsense)
    status, said = client.pull()
    assert (status, "does not go on with the new files, and the former are back" in said) == (70, True), said
    assert ours(client.installed()) == ours(before)
    client.host.write(path, usual)
    assert client.pull(*by_cron(client)) == (0, "")
    assert client.installed() != before
    relays(lab, client)


def by_cron(client: Client) -> tuple[str, ...]:
    """Return how cron starts the script, with its own short PATH unless the file has another; but at once."""
    text = client.host.path("/etc/cron.d/smtpcreds-pull").read_text()
    *settings, line = (line for line in text.splitlines() if not line.startswith("#"))
    command = line.split(maxsplit=6)[6].removesuffix(f"{SCRIPT} --timer")
    return ("env", "-i", "PATH=/usr/bin:/bin", *settings, "sh", "-c", f'{command} "$0"')


@pytest.mark.parametrize("kind", KINDS)
def test_with_smtpcreds_there(lab: Lab, hub: Hub, kind: str) -> None:
    make, _, _ = KINDS[kind]
    client = make(lab, hub, f"own-{kind}")
    host = MailHost(client.host)
    client.host.shell("rm -f /etc/smtpcreds/smtpcreds.toml")
    client.bare()
    source = f"ssh://{LOGIN}@{HUB}"
    words = ("setup", "--client", source, "--edit", "--run")
    refused = host.refused(*words)
    assert "Host key verification failed" in refused
    assert f"ssh-keyscan {HUB} >> {KNOWN_HOSTS}" in refused
    client.host.shell(f"ssh-keyscan {HUB} >> {KNOWN_HOSTS} 2>/dev/null")
    refused = host.refused(*words)
    assert "Permission denied" in refused
    assert "smtpcreds bundle HOST --authorize pull-key.pub" in refused
    hub.authorize(client, "--mta", kind)
    assert f"{client.host.name}: ready" in host(*words)
    client.settle()
    relays(lab, client)

    client.host.write("/etc/smtpcreds/pull.local", "TRIES=2 PAUSE=0\n")
    assert client.pull() == (0, "")
    hub("sasl", "passwd", ACCOUNT)
    hub("cert", "renew", client.host.name)
    assert client.pull() == (0, "")
    client.settle()
    relays(lab, client)
    is_well(host, client, kind)
    hub("cert", "renew", client.host.name)
    assert f"{client.host.name}: ready" in host("setup", "--client", source, "--force", "--run")
    is_well(host, client, kind)


def is_well(host: MailHost, client: Client, kind: str) -> None:
    """Insist that whatever one asks on the client host says that all is well."""
    assert "ok" in host("mta", "check", f"{kind}-client")
    assert "nothing is due" in host("status")
    assert "ok" in host("cert", "verify", client.host.name)
    audit = host.run("audit").out
    assert not re.search(r"CERT0(?!24)|SASL0|INV", audit), audit
