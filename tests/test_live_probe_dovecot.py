"""``smtpcreds probe`` against Dovecot's submission server: another hand for every mechanism."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import HUB
from lab import Host, Lab
from lab.dovecot import version_lines
from lab.layer import Software, write
from mail_hosts import ACCOUNT
from test_live_mta_sendmail import Machine
from test_live_probe import failed, probe

pytestmark = pytest.mark.live

NAME = "mx.polkatistas.org"
SECRET = 'Ch1mp? ,03fuzz "fl0\\ppi"='
"""In ASCII: Dovecot 2.3 does not convert what DIGEST-MD5 hashes to ISO 8859-1, as RFC 2831 has it."""
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN")


def lay(unpacked: Path, layer: Path) -> None:
    """Leave the lines with which a configuration has to begin, if it has to."""
    directory = layer / "etc/dovecot"
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    write(directory / "version", version_lines(unpacked))


DOVECOT = Software(("dovecot-core", "dovecot-submissiond"), lay)
USERS = {"dovecot": 130, "dovenull": 131}
COMMON = f"""
protocols = submission
log_path = /run/dovecot.log
listen = *
hostname = {NAME}
ssl = required
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
submission_relay_host = 192.0.2.1
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""
OLD = """
ssl_cert = </etc/dovecot/tls/mx-cert.pem
ssl_key = </etc/dovecot/tls/mx-key.pem
mail_location = maildir:/run/mail
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=1000 gid=1000 home=/run
}
"""
NEW = """
ssl_server_cert_file = /etc/dovecot/tls/mx-cert.pem
ssl_server_key_file = /etc/dovecot/tls/mx-key.pem
mail_driver = maildir
mail_path = /run/mail
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = 1000
    gid = 1000
    home = /run
  }
}
"""
"""From Dovecot 2.4 on."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Machine]:
    """A host with an authority; another one, which runs Dovecot, is in the same lab."""
    with Lab() as lab:
        hub = Machine(lab, HUB, "hub")
        hub("setup", HUB, "--no-passphrase")
        hub("cert", "issue", "mx", "--to", "/var/lib/mx")
        start(lab.host(NAME, DOVECOT), hub.host.path("/var/lib/mx"))
        yield hub


def start(host: Host, certificates: Path) -> None:
    """Dovecot becomes a daemon, which ends with its host."""
    for file, form in (
        ("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"),
        ("group", "{0}:x:{1}:\n"),
    ):
        path = host.path(f"/etc/{file}")
        path.write_text(path.read_text() + "".join(form.format(*user) for user in USERS.items()))
    host.run(("mkdir", "-p", "/etc/dovecot"))
    subprocess.run(("cp", "-a", certificates, host.path("/etc/dovecot/tls")), check=True)
    version = host.run(("cat", "/etc/dovecot/version"))
    host.write("/etc/dovecot/dovecot.conf", version + COMMON + (NEW if version else OLD))
    host.write("/etc/dovecot/users", f"{ACCOUNT}:{{PLAIN}}{SECRET}\n")
    host.shell("exec /usr/sbin/dovecot > /run/dovecot.out 2>&1")
    host.await_port(587)


def test_all_is_well(hub: Machine) -> None:
    steps = probe(hub, f"smtp+tls://{ACCOUNT}@mx", "--password", "stdin:", stdin=SECRET)
    assert not failed(steps)
    assert sorted(steps["mechanisms"]["detail"].split()) == sorted(MECHANISMS)
    for mechanism in MECHANISMS:
        assert steps[f"auth {mechanism}"]["outcome"] == "ok"
        assert steps[f"wrong password, {mechanism}"]["detail"].startswith("refused: 535")
    assert "530 5.7.0 TLS required" in steps["PLAIN before TLS"]["detail"]


def test_a_wrong_password(hub: Machine) -> None:
    words = ("--password", "stdin:", "--no-negative")
    steps = probe(hub, f"smtp+tls://{ACCOUNT}@mx", *words, stdin="not it", status=1)
    assert failed(steps) == {f"auth {mechanism}" for mechanism in MECHANISMS}
