"""Hubs whose accounts are in PostgreSQL let clients in, and turn a deleted account away at once."""

import re

import pytest
from admin import HUB
from lab import Lab, LabError
from lab.postgresql import HOME, SOCKET, USER, Postgresql
from mail_hosts import ACCOUNT, MailHost, PostfixMachine, SendmailMachine
from small_senders import Client

pytestmark = pytest.mark.live

DATABASE = "mail"
CERTS = "/etc/mail/certs"
PASSWORD = "P0lka-role"
OVER_TLS = f"""
ssl = on
ssl_ca_file = '{HOME}/cacert.pem'
ssl_cert_file = '{HOME}/dmzmail-cert.pem'
ssl_key_file = '{HOME}/dmzmail-key.pem'
"""
AUTHENTICATION = f"""
hostssl {DATABASE} admin all cert map=hosts
hostssl {DATABASE} postfix all scram-sha-256
"""
README = {
    "test_postfix_in_its_chroot_asks_over_tls_with_a_password": """\
smtpcreds sasl conf --role hub --grants | ssh root@db sudo -u postgres psql mail
smtpcreds mta apply sendmail-hub --role hub --role-password file:/root/hub-password --edit --run
""",
}
"""Here the hub has Postfix, and the role its name."""
PLAINTEXT = "[mta]\nplaintext = true\n"


def accounts_at(hub: MailHost, url: str) -> None:
    """Say in the configuration where the accounts are."""
    path = hub.host.path("/etc/smtpcreds/smtpcreds.toml")
    path.write_text(f'{path.read_text()}[sasl]\ndatabase = "{url}"\n')


def msmtp_client(lab: Lab, hub: MailHost) -> Client:
    client = Client(lab, hub, "msmtp")
    hub("cert", "issue", client.host.name)
    return client


def assert_relayed(lab: Lab, client: Client) -> None:
    client.send()
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from {client.host.name} .*by {HUB} .*with (?:E|UTF8)SMTPSA ", received)


def refuse_at_once(hub: MailHost, client: Client, logged: str) -> None:
    """Delete the account, and see that nothing gets out any more."""
    assert "nothing found" in hub("audit")
    hub("sasl", "delete", ACCOUNT)
    with pytest.raises(LabError):
        client.send()
    hub.host.log.wait(logged)


def start_with_tls(hub: MailHost, database: Postgresql) -> None:
    """Let the database server listen, with the hub's pair, for a role by certificate and one by password."""
    files = " ".join(f"{CERTS}/{name}.pem" for name in ("cacert", "dmzmail-cert", "dmzmail-key"))
    hub.host.shell(f"cp {files} {HOME} && chown {USER}:{USER} {HOME}/*.pem")
    database.identify(HUB, "admin")
    database.start(f"listen_addresses = '{hub.host.address}'{OVER_TLS}", AUTHENTICATION)
    roles = f"CREATE ROLE admin LOGIN; CREATE ROLE postfix LOGIN PASSWORD '{PASSWORD}';"
    database.sql("postgres", roles)
    database.sql("postgres", f"CREATE DATABASE {DATABASE} OWNER admin")
    hub.host.write("/var/lib/role", f"{PASSWORD}\n", 0o600)


def test_sendmail_asks_through_the_socket(lab: Lab) -> None:
    """As the role root, by which peer authentication lets in both sendmail and smtpcreds."""
    hub = SendmailMachine(
        lab, HUB, "sendmail-hub", f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n", PLAINTEXT
    )
    database = Postgresql(hub.host)
    database.start("listen_addresses = ''\n", "")
    database.sql("postgres", f"CREATE DATABASE {DATABASE}")
    accounts_at(hub, f"postgresql:///{DATABASE}?host={SOCKET}")
    hub("setup", HUB, "--no-passphrase")
    client = msmtp_client(lab, hub)
    hub.apply()
    assert not hub.host.path("/etc/sasldb2").exists()

    client.take()
    assert_relayed(lab, client)
    client.take("--mechanism", "PLAIN")
    assert_relayed(lab, client)
    for mechanism in ("DIGEST-MD5", "PLAIN"):
        hub.log.wait(rf"AUTH=server, .*authid={ACCOUNT}(@{HUB})?, mech={mechanism},")

    refuse_at_once(hub, client, rf"AUTH failure \(PLAIN\): .*relay={client.host.name} ")
    assert lab.sink.empty()


def test_postfix_in_its_chroot_asks_over_tls_with_a_password(lab: Lab) -> None:
    """And smtpcreds, as another role, shows the hub's certificate to the database server."""
    hub = PostfixMachine(lab, HUB, "postfix-hub", f"relayhost = [{lab.sink.address}]\n", PLAINTEXT)
    database = Postgresql(hub.host)
    hub("ca", "init", "--no-passphrase")
    hub("cert", "issue", HUB)
    start_with_tls(hub, database)
    shown = f"sslrootcert={CERTS}/cacert.pem&sslcert={CERTS}/dmzmail-cert.pem&sslkey={CERTS}/dmzmail-key.pem"
    accounts_at(hub, f"postgresql://admin@{HUB}/{DATABASE}?sslmode=verify-full&{shown}")
    hub("setup", HUB, "--no-passphrase")
    database.sql(DATABASE, hub("sasl", "conf", "--program", "postfix", "--grants"))
    client = msmtp_client(lab, hub)
    hub.apply("--role-password", "file:/var/lib/role")
    conf = hub.host.run(("stat", "-c", "%U %a", "/etc/postfix/sasl/smtpd.conf"))
    assert conf == "root 600\n"

    client.take()
    assert_relayed(lab, client)
    client.take("--mechanism", "PLAIN")
    assert_relayed(lab, client)
    for mechanism in ("DIGEST-MD5", "PLAIN"):
        hub.log.wait(rf"sasl_method={mechanism}, sasl_username={ACCOUNT}(@{HUB})?$")
    refuse_at_once(hub, client, rf"{client.host.name}\[.*\]: SASL PLAIN authentication failed")
    assert lab.sink.empty()
