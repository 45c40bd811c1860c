"""Two authorities of one name on two real sendmails: both are trusted, and each one's revocations count."""

import subprocess
from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin
from lab import SENDMAIL, Lab, Sendmail, mc
from mail_hosts import CLIENT, FOREIGN, SENDER

pytestmark = pytest.mark.live


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """The hub's certificate is of the new authority, the client's of the old one."""
    smtpcreds = Admin(tmp_path / "hub")
    smtpcreds("setup", HUB, "--no-passphrase")
    smtpcreds("cert", "issue", "attic", "--to", tmp_path / "client/etc/mail/certs")
    smtpcreds("sasl", "auth-info", "maildroid", "--to", tmp_path / "client/etc/mail/default-auth-info")
    smtpcreds("ca", "rollover")
    smtpcreds("cert", "renew", "dmzmail")
    return smtpcreds


def tls(host: str) -> str:
    files = {
        f"conf{role}_{kind.upper()}": f"{CERTS}/{host}-{kind}.pem"
        for role in ("SERVER", "CLIENT")
        for kind in ("cert", "key")
    }
    revoked = {"confCRL": f"{CERTS}/crl.pem", "confCRL_PATH": CERTS}
    return mc.defines(confCACERT_PATH=CERTS, confCACERT=f"{CERTS}/cacert.pem", **revoked, **files)


def relay(lab: Lab, admin: Admin, tmp_path: Path) -> tuple[Sendmail, Sendmail]:
    mail = tmp_path / "only-mail"
    mail.mkdir()
    subprocess.run(["cp", "-a", admin.root / "etc", mail], check=True)
    hub = Sendmail(lab.host(HUB, SENDMAIL, mail))
    hub.start(mc.hub(tls("dmzmail"), mc.relaying("SCRAM-SHA-256"), smart_host=lab.sink.address))
    client = Sendmail(lab.host(CLIENT, SENDMAIL, tmp_path / "client"))
    auth = mc.defines(confAUTH_MECHANISMS="SCRAM-SHA-256", confDEF_AUTH_INFO="/etc/mail/default-auth-info")
    client.start(mc.client(tls("attic"), auth, hub=HUB), default_auth_info=True)
    assert "stat=Sent" in client.send(SENDER, FOREIGN)
    return hub, client


def test_old_and_new_certificates_verify_each_other(admin: Admin, tmp_path: Path) -> None:
    with Lab() as lab:
        hub, client = relay(lab, admin, tmp_path)
        hub.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")
        client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")


def test_a_revocation_by_the_old_authority_counts(admin: Admin, tmp_path: Path) -> None:
    admin("cert", "revoke", "attic")
    with Lab() as lab:
        hub, client = relay(lab, admin, tmp_path)
        hub.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=FAIL")
        client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")


def test_a_revocation_by_the_new_authority_counts(admin: Admin, tmp_path: Path) -> None:
    admin("cert", "revoke", "dmzmail")
    with Lab() as lab:
        hub, client = relay(lab, admin, tmp_path)
        hub.log.wait(rf"STARTTLS=server, relay={CLIENT} .*verify=OK")
        client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=FAIL")
