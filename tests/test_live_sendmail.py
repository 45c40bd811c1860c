"""The lab carries mail between two real sendmails, with files from OpenSSL and saslpasswd2."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from admin import HUB
from admin import PASSPHRASE as SECRET
from lab import SENDMAIL, Lab, Sendmail, mc
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, SENDER

pytestmark = pytest.mark.live

MECHANISMS = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256")


def openssl(*argv: str, cwd: Path) -> None:
    subprocess.run(("openssl", *argv), cwd=cwd, check=True, capture_output=True)


def authority(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "ca-key.pem")
    openssl("req", "-x509", *key, "-out", "cacert.pem", "-days", "9", "-subj", "/CN=Lab CA", cwd=directory)


def certificate(host: str, root: Path, ca: Path) -> None:
    """Issue a certificate for both roles into etc/mail/certs below `root`."""
    certs = root / "etc/mail/certs"
    certs.mkdir(parents=True, exist_ok=True)
    certs.chmod(0o700)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", "key.pem")
    signer = ("-CA", str(ca / "cacert.pem"), "-CAkey", str(ca / "ca-key.pem"))
    names = ("-subj", f"/CN={host}", "-addext", "extendedKeyUsage=serverAuth,clientAuth")
    openssl("req", "-x509", *key, *signer, *names, "-days", "9", "-out", "cert.pem", cwd=certs)
    (certs / "cacert.pem").write_bytes((ca / "cacert.pem").read_bytes())
    for file in certs.iterdir():
        file.chmod(0o600)


def credentials(hub: Path, client: Path) -> None:
    """Fill the directory trees that are laid over the two hosts."""
    authority(hub.parent / "ca")
    for host, root in ((HUB, hub), (CLIENT, client)):
        certificate(host, root, hub.parent / "ca")
    subprocess.run(
        ("saslpasswd2", "-f", str(hub / "etc/sasldb2"), "-u", HUB, "-c", "-p", ACCOUNT),
        input=SECRET.encode(),
        check=True,
    )
    (hub / "etc/sasl2").mkdir()
    (hub / "etc/sasl2/Sendmail.conf").write_text("pwcheck_method: auxprop\nauxprop_plugin: sasldb\n")
    auth_info = client / "etc/mail/default-auth-info"
    auth_info.touch(0o600)
    auth_info.write_text(f"{ACCOUNT}\n{ACCOUNT}\n{SECRET}\n{HUB}\n")


def tls_fragment() -> str:
    certs = "/etc/mail/certs"
    files = {
        f"conf{role}_{kind.upper()}": f"{certs}/{kind}.pem"
        for role in ("SERVER", "CLIENT")
        for kind in ("cert", "key")
    }
    return mc.defines(confCACERT_PATH=certs, confCACERT=f"{certs}/cacert.pem", **files)


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    hub, client = tmp_path / "hub", tmp_path / "client"
    credentials(hub, client)
    return hub, client


def start(lab: Lab, roots: tuple[Path, Path], mechanism: str) -> tuple[Sendmail, Sendmail]:
    """Start a hub that relays for `mechanism` alone, and a client that uses no other."""
    hub, client = (
        Sendmail(lab.host(name, SENDMAIL, root)) for name, root in zip((HUB, CLIENT), roots, strict=True)
    )
    hub.start(mc.hub(tls_fragment(), mc.relaying(mechanism), smart_host=lab.sink.address))
    auth = mc.defines(confAUTH_MECHANISMS=mechanism, confDEF_AUTH_INFO="/etc/mail/default-auth-info")
    client.start(mc.client(tls_fragment(), auth, hub=HUB), default_auth_info=True)
    return hub, client


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_mail_is_relayed_for_an_authenticated_client(roots: tuple[Path, Path], mechanism: str) -> None:
    with Lab() as lab:
        hub, client = start(lab, roots, mechanism)
        assert "stat=Sent" in client.send(SENDER, FOREIGN)

        message = lab.sink.receive()
        assert message.recipients == (FOREIGN,)
        received = message.headers["Received"]
        assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received, re.DOTALL)
        peer = rf"relay={CLIENT} \[{client.host.address}\]"
        hub.log.wait(rf"sm-mta.*AUTH=server, {peer}, authid={ACCOUNT}(@{HUB})?, mech={mechanism},")
        hub.log.wait(rf"sm-mta.*STARTTLS=server, {peer}, .*verify=OK")
        client.log.wait(rf"sm-mta.*STARTTLS=client, relay={HUB}\.?, .*verify=OK")


def test_mail_for_the_hub_reaches_a_mailbox(roots: tuple[Path, Path]) -> None:
    with Lab() as lab:
        hub, client = start(lab, roots, "SCRAM-SHA-256")
        assert "stat=Sent" in client.send(SENDER, f"polkafan@{HUB}", "Beer barrel")
        hub.log.wait(r"to=<polkafan@.*mailer=local.*stat=Sent")
        (message,) = hub.mailbox("polkafan")
        assert "Beer barrel" in message.get_payload()


def test_mail_is_not_relayed_with_the_wrong_secret(roots: tuple[Path, Path]) -> None:
    auth_info = roots[1] / "etc/mail/default-auth-info"
    auth_info.write_text(auth_info.read_text().replace(SECRET, "wrong"))
    with Lab() as lab:
        hub, client = start(lab, roots, "SCRAM-SHA-256")
        assert "dsn=5.7.1" in client.send(SENDER, FOREIGN)
        hub.log.wait(r"AUTH failure \(SCRAM-SHA-256\)")
        hub.log.wait(rf"ruleset=check_rcpt, arg1=<{FOREIGN}>.*Relaying denied")
        assert lab.sink.empty()


def test_verification_notices_a_certificate_of_another_authority(roots: tuple[Path, Path]) -> None:
    with Lab() as lab:
        hub, client = start(lab, roots, "SCRAM-SHA-256")
        authority(roots[0].parent / "other")
        certificate(HUB, hub.host.path("/"), roots[0].parent / "other")
        hub.reload()
        client.send(SENDER, FOREIGN)
        client.log.wait(rf"sm-mta.*STARTTLS=client, relay={HUB}\.?, .*verify=FAIL")
        assert not client.log.find(rf"sm-mta.*STARTTLS=client, relay={HUB}\.?, .*verify=OK")


def test_hosts_and_machine_do_not_see_each_other(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc/mail").mkdir(parents=True)
    (tree / "etc/mail").chmod(0o771)
    with Lab() as lab:
        host = lab.host(HUB, SENDMAIL, tree)
        for name in ("/etc/sasldb2", "/etc/mail/sendmail.cf", "/var/lib/smtpcreds"):
            assert not host.path(name).exists()
        assert host.path("/etc/mail").stat().st_mode & 0o7777 == 0o771
        assert host.run(("hostname", "--fqdn")).strip() == HUB
        for top in ("etc", "var", "usr", "dev"):
            host.run(("touch", f"/{top}/lab-was-here"))
    for top in ("/etc", "/var", "/usr", "/dev", str(tree / "etc")):
        assert not Path(top, "lab-was-here").exists()


def test_no_process_outlives_its_lab() -> None:
    with Lab() as lab:
        command = lab.host(HUB, SENDMAIL).namespace.command(("sh", "-c", "echo up; exec cat"))
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
    assert process.wait(20) == -signal.SIGKILL
    process.communicate()
