"""Clean hosts to break: made once by the program itself, by m4 and by makemap, and copied for each test."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from admin import CONFIG, HUB, Admin, peer
from lab.debs import unpacked
from lab.mc import client as client_mc
from lab.mc import hub as hub_mc
from lab.mc import include

from smtpcreds.audit.run import audit, choice, fix
from smtpcreds.cli.session import Session
from smtpcreds.config import Site
from smtpcreds.model import Finding
from smtpcreds.transaction import transaction

PACKAGES = ("sendmail-bin", "sendmail-base", "sendmail-cf")
PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
smmta:x:61001:61001::/:/usr/sbin/nologin
postfix:x:61002:61002::/:/usr/sbin/nologin
Debian-exim:x:61003:61003::/:/usr/sbin/nologin
"""
GROUP = "root:x:0:\nmail:x:8:\nsasl:x:61004:\npostfix:x:61002:\nDebian-exim:x:61003:\n"
MC, CF = "/etc/mail/sendmail.mc", "/etc/mail/sendmail.cf"
ACCESS, AUTH_INFO, AUTHINFO = "/etc/mail/access", "/etc/mail/default-auth-info", "/etc/mail/authinfo"
SASL_CONF = "/etc/sasl2/Sendmail.conf"
MAIN, MASTER = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"
JAILED = "/var/spool/postfix/etc/postfix/sasldb2"
EXIM, DOVECOT = "/etc/exim4/exim4.conf", "/etc/dovecot/dovecot.conf"


@dataclass
class Host:
    """One root under audit; ``ahead`` is what its clock is ahead of ours."""

    root: Path
    ahead: timedelta = timedelta()

    def path(self, absolute: str) -> Path:
        return self.root / absolute.lstrip("/")

    def cert(self, name: str) -> Path:
        return self.path(f"/etc/mail/certs/{name}")

    def write(self, absolute: str, text: str | bytes, mode: int = 0o644) -> Path:
        path = self.path(absolute)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    def replace(self, absolute: str, old: str, new: str) -> None:
        """Change text in a file and keep its time, so that this alone is what is wrong."""
        path = self.path(absolute)
        text = path.read_text()
        assert old in text, f"{absolute} has no {old!r}"
        status = path.stat()
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def program(self) -> Admin:
        return Admin(self.root)

    def site(self) -> Site:
        site = Session(root=str(self.root)).site()
        return replace(site, clock=lambda: datetime.now(UTC) + self.ahead)

    def findings(self, *only: str) -> list[Finding]:
        return audit(self.site(), choice(only, ()))

    def codes(self) -> set[str]:
        return {finding.code for finding in self.findings()}

    def fix(self, *only: str) -> int:
        with transaction(self.site(), state=False) as work:
            return fix(work, choice(only, ()))


def openssl(*words: str | Path) -> str:
    return peer("openssl", *words)


@cache
def macros() -> Path:
    """Return a copy of the macros of sendmail that includes its own parts."""
    place = "/usr/share/sendmail/cf"
    copy = Path(_kept().name) / "cf"
    shutil.copytree(f"{unpacked(*PACKAGES)}{place}", copy)
    for path in copy.rglob("*.m4"):
        text = path.read_bytes()
        path.write_bytes(text.replace(place.encode(), bytes(copy)))
    return copy


@cache
def _kept() -> "TemporaryDirectory[str]":
    return TemporaryDirectory()


def compile_cf(host: Host) -> None:
    """Make sendmail.cf from sendmail.mc with the real macros."""
    text = host.path(MC).read_text().replace("/usr/share/sendmail/cf", str(macros()))
    text = text.replace("`/etc/mail/smtpcreds/", f"`{host.root}/etc/mail/smtpcreds/")
    done = subprocess.run(["m4", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    host.write(CF, done.stdout)


def makemap(host: Host, absolute: str) -> None:
    source = host.path(absolute)
    program = unpacked(*PACKAGES) / "usr/sbin/makemap"
    program = program if program.exists() else unpacked(*PACKAGES) / "usr/libexec/sendmail/makemap"
    peer(program, "-C", host.path(CF), "hash", source, stdin=source.read_bytes())


def base(root: Path) -> Host:
    host = Host(root)
    host.write("/etc/smtpcreds/smtpcreds.toml", CONFIG)
    host.write("/etc/passwd", PASSWD)
    host.write("/etc/group", GROUP)
    host.path(PLUGINS).mkdir(parents=True)
    for plugin in Path(PLUGINS).glob("lib*.so"):
        shutil.copyfile(plugin, host.path(f"{PLUGINS}/{plugin.name}"))
    return host


def hub(root: Path) -> Host:
    """A hub with Sendmail."""
    host = base(root)
    return _hub(host)


def tiered(root: Path) -> Host:
    """The same, with an intermediate CA."""
    host = base(root)
    host.program()("ca", "init", "--no-passphrase", "--intermediate")
    return _hub(host)


def _hub(host: Host) -> Host:
    program = host.program()
    program("setup", HUB, "--no-passphrase")
    program("mta", "apply", "sendmail-hub")
    host.write(MC, hub_mc("FEATURE(`access_db')dnl\n", include("/etc/mail/smtpcreds/hub.m4"), smart_host="x"))
    compile_cf(host)
    host.write(ACCESS, "127.0.0.1\tRELAY\n")
    makemap(host, ACCESS)
    return host


def client(root: Path) -> Host:
    """A client host with default-auth-info."""
    return _client(root)


def mapped(root: Path) -> Host:
    """A client host with the authinfo map."""
    return _client(root, "--authinfo-map")


def _client(root: Path, *variant: str) -> Host:
    host = base(root)
    program = host.program()
    program("setup", HUB, "--no-passphrase")
    program("cert", "issue", "attic")
    config = f"{CONFIG}[mta]\nauthinfo_map = {'true' if variant else 'false'}\n"
    host.write("/etc/smtpcreds/smtpcreds.toml", config)
    host.write("/etc/hostname", "attic.polkatistas.org\n")
    program("mta", "apply", "sendmail-client")
    feature = "FEATURE(`access_db')dnl\n"
    host.write(MC, client_mc(feature, include("/etc/mail/smtpcreds/client.m4"), hub=HUB))
    compile_cf(host)
    rules = host.path("/etc/mail/smtpcreds/access").read_text()
    host.write(ACCESS, rules)
    makemap(host, ACCESS)
    return host


def postfix(root: Path) -> Host:
    """A hub where Postfix, not Sendmail, serves, and sends on through a relay."""
    host = base(root)
    program = host.program()
    program("setup", HUB, "--no-passphrase")
    host.write("/etc/smtpcreds/smtpcreds.toml", f'{CONFIG}[sasl]\ngroup = "postfix"\nmode = "0640"\n')
    os.chown(host.path("/etc/sasldb2"), 0, 61002)
    host.path("/etc/sasldb2").chmod(0o640)
    certs = "/etc/mail/certs"
    host.write(
        MAIN,
        f"""\
# Postfix
compatibility_level = 3.6
myhostname = {HUB}
mydestination = $myhostname,
    localhost
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_chain_files = {certs}/dmzmail-key.pem, {certs}/dmzmail-cert.pem
smtpd_tls_CAfile = {certs}/cacert.pem
smtpd_sasl_auth_enable = yes
smtp_sasl_auth_enable = yes
smtp_tls_security_level = secure
smtp_tls_CAfile = $smtpd_tls_CAfile
relayhost = [mx.example.net]:587
smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd
""",
    )
    host.write(MASTER, "smtp      inet  n       -       n       -       -       smtpd\n")
    host.write(
        SMTPD_CONF, "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN SCRAM-SHA-256\n"
    )
    host.write("/etc/postfix/sasl_passwd", "[mx.example.net]:587 me:secret\n", 0o600)
    return host


def jailed(root: Path) -> Host:
    """The same with smtpd in a chroot, where it has a copy of the accounts."""
    host = postfix(root)
    with host.path("/etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write(f'copies = ["{JAILED}"]\n')
    host.write(MASTER, "smtp      inet  n       -       y       -       -       smtpd\n")
    with host.path(SMTPD_CONF).open("a") as file:
        file.write("sasldb_path: /etc/postfix/sasldb2\n")
    host.path(JAILED).parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", host.path("/etc/sasldb2"), host.path(JAILED)], check=True)
    return host


def exim(root: Path) -> Host:
    """A host with Exim, whose user reads the key through its group."""
    host = base(root)
    host.program()("setup", HUB, "--no-passphrase")
    certs = host.path("/etc/mail/certs")
    for path in (certs, certs / "dmzmail-key.pem"):
        os.chown(path, 0, 61003)
        path.chmod(0o750 if path.is_dir() else 0o640)
    host.write(
        EXIM,
        """\
tls_advertise_hosts = *
tls_certificate = /etc/mail/certs/dmzmail-cert.pem
tls_privatekey = /etc/mail/certs/dmzmail-key.pem
tls_try_verify_hosts = *
tls_verify_certificates = /etc/mail/certs/cacert.pem
acl_smtp_rcpt = acl_check_rcpt
begin acl
acl_check_rcpt:
  accept hosts = :
  accept authenticated = *
  require domains = +local_domains
  accept
begin transports
remote_smtp:
  driver = smtp
begin authenticators
plain_server:
  driver = plaintext
  public_name = PLAIN
  server_condition = false
  server_advertise_condition = ${if def:tls_in_cipher}
by_certificate:
  driver = external
  public_name = EXTERNAL
  server_param2 = x
  server_advertise_condition = ${if bool{$tls_in_certificate_verified}}
""",
    )
    return host


def dovecot(root: Path) -> Host:
    """A host with Dovecot."""
    host = base(root)
    host.program()("setup", HUB, "--no-passphrase")
    host.write(
        DOVECOT,
        """\
auth_mechanisms = plain login
ssl = required
ssl_cert = </etc/mail/certs/dmzmail-cert.pem
ssl_key = </etc/mail/certs/dmzmail-key.pem
!include conf.d/*.conf
""",
    )
    host.write("/etc/dovecot/conf.d/10-auth.conf", "disable_plaintext_auth = yes\n")
    return host


def dovecot_2_4(root: Path) -> Host:
    """A host with the Dovecot of Debian 13."""
    host = dovecot(root)
    host.write(
        DOVECOT,
        """\
dovecot_config_version = 2.4.0
auth_mechanisms = plain login
ssl = required
ssl_server {
  cert_file = /etc/mail/certs/dmzmail-cert.pem
  key_file = /etc/mail/certs/dmzmail-key.pem
}
!include conf.d/*.conf
""",
    )
    host.write("/etc/dovecot/conf.d/10-auth.conf", "auth_allow_cleartext = no\n")
    return host


SCENES: dict[str, Callable[[Path], Host]] = {
    made.__name__: made for made in (hub, tiered, client, mapped, postfix, jailed, exim, dovecot, dovecot_2_4)
}
