"""The main job on two real sendmails, from nothing but files that smtpcreds wrote.

The walk of a hub and a client host: authority, certificates, account, default-auth-info, and a mail that
flows, authenticated, with TLS verified by both sides.
"""

import re
import subprocess
from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin
from lab import SENDMAIL, Lab, Sendmail, mc
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, SENDER

pytestmark = pytest.mark.live

MECHANISMS = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256")


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    smtpcreds = Admin(tmp_path / "hub")
    smtpcreds("setup", HUB, "--no-passphrase")
    return smtpcreds


@pytest.fixture
def client_tree(admin: Admin, tmp_path: Path) -> Path:
    tree = tmp_path / "client"
    admin("cert", "issue", "attic", "--to", tree / "etc/mail/certs")
    admin("sasl", "auth-info", ACCOUNT, "--to", tree / "etc/mail/default-auth-info")
    return tree


def tls(host: str) -> str:
    files = {
        f"conf{role}_{kind.upper()}": f"{CERTS}/{host}-{kind}.pem"
        for role in ("SERVER", "CLIENT")
        for kind in ("cert", "key")
    }
    crl = f"{CERTS}/crl.pem"
    return mc.defines(confCACERT_PATH=CERTS, confCACERT=f"{CERTS}/cacert.pem", confCRL=crl, **files)


def start(lab: Lab, admin: Admin, client_tree: Path, mechanism: str) -> tuple[Sendmail, Sendmail]:
    hub = Sendmail(lab.host(HUB, SENDMAIL, only_mail(admin.root)))
    hub.start(mc.hub(tls("dmzmail"), mc.relaying(mechanism), smart_host=lab.sink.address))
    client = Sendmail(lab.host(CLIENT, SENDMAIL, client_tree))
    auth = mc.defines(confAUTH_MECHANISMS=mechanism, confDEF_AUTH_INFO="/etc/mail/default-auth-info")
    client.start(mc.client(tls("attic"), auth, hub=HUB), default_auth_info=True)
    return hub, client


def only_mail(root: Path) -> Path:
    """Copy what a mail server needs: the hub itself does not hold the authority."""
    tree = root.parent / "hub-host"
    tree.mkdir()
    subprocess.run(["cp", "-a", root / "etc", tree], check=True)
    return tree


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mail_flows_authenticated_and_verified(admin: Admin, client_tree: Path, mechanism: str) -> None:
    with Lab() as lab:
        hub, client = start(lab, admin, client_tree, mechanism)
        assert "stat=Sent" in client.send(SENDER, FOREIGN)

        message = lab.sink.receive()
        assert message.recipients == (FOREIGN,)
        received = message.headers["Received"]
        assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received, re.DOTALL)
        hub.log.wait(rf"AUTH=server, relay={CLIENT} .*, authid={ACCOUNT}(@{HUB})?, mech={mechanism},")
        hub.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")
        client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
        assert not hub.log.find("unsafe|World|Group (readable|writable)")
        assert not client.log.find("unsafe|World|Group (readable|writable)")


def test_an_account_of_another_realm_logs_in_by_its_full_name(admin: Admin, client_tree: Path) -> None:
    auth_info = client_tree / "etc/mail/default-auth-info"
    admin("sasl", "add", "accordion", "--realm", "polka.example")
    admin("sasl", "auth-info", "accordion@polka.example", "--to", auth_info, "--force")
    assert auth_info.read_text().splitlines()[:2] == ["accordion@polka.example"] * 2
    with Lab() as lab:
        hub, client = start(lab, admin, client_tree, "SCRAM-SHA-256")
        assert "stat=Sent" in client.send(SENDER, FOREIGN)
        hub.log.wait(r"AUTH=server, .*authid=accordion@polka.example, mech=SCRAM-SHA-256")


def test_a_changed_secret_counts_at_once_and_a_deleted_account_is_refused(
    admin: Admin, client_tree: Path
) -> None:
    with Lab() as lab:
        hub, client = start(lab, admin, client_tree, "CRAM-MD5")
        assert "stat=Sent" in client.send(SENDER, FOREIGN)

        admin("sasl", "passwd", ACCOUNT)
        hub.host.write("/etc/sasldb2", "", 0o600)
        hub.host.path("/etc/sasldb2").write_bytes((admin.root / "etc/sasldb2").read_bytes())
        assert "dsn=5.7.1" in client.send(SENDER, FOREIGN)

        admin("sasl", "delete", ACCOUNT)
        hub.host.path("/etc/sasldb2").write_bytes((admin.root / "etc/sasldb2").read_bytes())
        assert "dsn=5.7.1" in client.send(SENDER, FOREIGN)
        hub.log.wait("user not found")


def test_the_chapters_password_travels_unharmed(admin: Admin, client_tree: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("Ch1mp? ,03fuzz fl0ppi\n")
    auth_info = client_tree / "etc/mail/default-auth-info"
    admin("sasl", "passwd", ACCOUNT, "--password", f"file:{secret}")
    admin("sasl", "auth-info", ACCOUNT, "--to", auth_info, "--force", "--mechanism", "DIGEST-MD5")
    assert auth_info.read_text().splitlines()[2:] == ["Ch1mp? ,03fuzz fl0ppi", HUB, "DIGEST-MD5"]
    with Lab() as lab:
        hub, client = start(lab, admin, client_tree, "DIGEST-MD5")
        assert "stat=Sent" in client.send(SENDER, FOREIGN)
        hub.log.wait(rf"AUTH=server, .*authid={ACCOUNT}(@{HUB})?, mech=DIGEST-MD5")
