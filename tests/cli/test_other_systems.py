"""Hubs of other systems: files lie, and belong, where the packages of the system have them."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import CONFIG, HUB, Admin, peer
from cures import astray

from smtpcreds.config import Settings, Site
from smtpcreds.model import Root
from smtpcreds.systems import System

SYSTEMS = Path(__file__).parent.parent / "systems"
MASTER = "smtp inet n - {chroot} - - smtpd\nsubmission inet n - {chroot} - - smtpd\n"
RHEL_MAIN = "inet_interfaces = localhost\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = cyrus\n"
SMTPD_CONF = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: SCRAM-SHA-256\n"


def hub(root: Path, system: str) -> Admin:
    """A hub of a system, set up."""
    admin = Admin(root)
    admin.write("/etc/os-release", (SYSTEMS / f"{system}.os-release").read_text(), 0o644)
    admin.write("/etc/smtpcreds/smtpcreds.toml", f'{CONFIG}[sasl]\nformat = "gdbm"\n', 0o644)
    admin("setup", HUB, "--no-passphrase")
    return admin


@pytest.mark.parametrize(
    ("system", "database"),
    [
        ("rhel-9", "etc/sasl2/sasldb2"),
        ("fedora-42", "etc/sasl2/sasldb2"),
        ("alpine-3.22", "etc/sasl2/sasldb2"),
        ("arch", "etc/sasldb2"),
        ("freebsd-14", "usr/local/etc/sasldb2"),
        ("debian-13", "etc/sasldb2"),
    ],
)
def test_accounts_are_where_cyrus_sasl_of_the_system_looks(
    tmp_path: Path, system: str, database: str
) -> None:
    found = hub(tmp_path / "root", system)
    found("sasl", "add", "tuba")
    assert [str(path.relative_to(found.root)) for path in found.root.rglob("sasldb2")] == [database]


def test_postfix_of_rhel_is_left_outside_the_chroot(tmp_path: Path) -> None:
    rhel = hub(tmp_path / "root", "rhel-9")
    rhel.write("/etc/postfix/main.cf", RHEL_MAIN, 0o644)
    rhel.write("/etc/postfix/master.cf", MASTER.format(chroot="n"), 0o644)
    rhel("mta", "apply", "postfix-hub")
    told = rhel("mta", "check", "postfix-hub", status=1)
    assert "chroot=y" not in told
    assert "inet_interfaces = localhost, so no client host reaches Postfix" in told
    conf = (rhel.root / "etc/postfix/sasl/smtpd.conf").read_text()
    assert "sasldb_path: /etc/sasl2/sasldb2" in conf


@pytest.mark.parametrize(("level", "is_inside"), [("", True), ("1", False), ("3.6", False)])
def test_what_master_cf_leaves_open_depends_on_compatibility_level(
    tmp_path: Path, level: str, is_inside: bool
) -> None:
    rhel = hub(tmp_path / "root", "rhel-9")
    rhel.write("/etc/postfix/main.cf", RHEL_MAIN + (level and f"compatibility_level = {level}\n"), 0o644)
    rhel.write("/etc/postfix/master.cf", MASTER.format(chroot="-"), 0o644)
    told = rhel("mta", "render", "postfix-hub")
    assert ("sasldb_path: /etc/postfix/sasldb2" in told) is is_inside


def test_the_smtpd_behind_postscreen_leaves_the_chroot(tmp_path: Path) -> None:
    rhel = hub(tmp_path / "root", "rhel-9")
    rhel.write("/etc/postfix/main.cf", RHEL_MAIN, 0o644)
    screened = "smtp inet n - n - 1 postscreen\nsmtpd pass - - y - - smtpd\nsubmission inet n - n - - smtpd\n"
    rhel.write("/etc/postfix/master.cf", screened, 0o644)
    told = rhel("mta", "apply", "postfix-hub")
    assert "postconf -F smtpd/pass/chroot=n" in told
    assert "smtp/inet/chroot" not in told
    assert "runs smtpd/pass in the chroot" in rhel("mta", "check", "postfix-hub", status=1)


def test_smtpd_conf_of_rhel_is_read_where_it_lies(tmp_path: Path) -> None:
    rhel = hub(tmp_path / "root", "rhel-9")
    rhel.write("/etc/postfix/main.cf", RHEL_MAIN, 0o644)
    rhel.write("/etc/sasl2/smtpd.conf", SMTPD_CONF, 0o644)
    assert "MTA107" not in rhel("audit", status=1)


def test_debian_13_is_told_where_smtpd_conf_is(tmp_path: Path) -> None:
    debian = hub(tmp_path / "root", "debian-13")
    debian.write("/etc/sasl2/smtpd.conf", SMTPD_CONF, 0o644)
    debian.write("/etc/postfix/main.cf", RHEL_MAIN, 0o644)
    assert "MTA107" in debian("audit", status=1)
    debian.write("/etc/postfix/main.cf", f"{RHEL_MAIN}cyrus_sasl_config_path = /etc/sasl2\n", 0o644)
    assert "MTA107" not in debian("audit", status=1)


def test_exim_of_rhel_has_one_file(tmp_path: Path) -> None:
    rhel = hub(tmp_path / "root", "rhel-9")
    told = rhel("mta", "render", "exim-hub")
    assert "/etc/exim/exim.conf" in told
    assert "root:exim" in told
    assert "exim -bV" in told
    assert "/run/exim.pid" in told
    assert "exim4" not in told
    assert "Debian" not in told


WORDS = {
    "debian": (
        "apt-get",
        "exim4",
        "Debian",
        "smmta",
        "libsasl2-modules",
        "service opensmtpd",
    ),
    "rhel": ("dnf ", "/etc/pki/"),
    "alpine": ("apk ", "rc-service"),
    "arch": ("pacman",),
    "freebsd": ("/usr/local/", "pkg install", "sysrc"),
}
"""Of one kind of system alone; in what is printed on another they are a mistake."""
BY_SYSTEMD = {"debian", "rhel", "arch"}
MAIN = """\
inet_interfaces = localhost
smtpd_tls_security_level = may
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:/etc/mail/sasl_passwd
smtp_tls_security_level = may
"""
EXIM = """\
tls_verify_hosts = *
local_interfaces = 127.0.0.1
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = yes
"""
DOVECOT = (
    "disable_plaintext_auth = no\nservice auth {\n  unix_listener /var/spool/postfix/private/auth {\n  }\n}\n"
)
SENDMAIL = "O AuthMechanisms=PLAIN\nO DaemonPortOptions=Port=smtp,Addr=127.0.0.1, Name=MTA\n"


def system_of(root: Path) -> System:
    return Site(Root(str(root)), Settings(), lambda: datetime.now(UTC), print).system


def faulty(root: Path, name: str) -> Admin:
    """A hub of a system on which four mail servers have faults, with only one plugin of Cyrus SASL."""
    found = hub(root, name)
    system = system_of(root)
    source = system.sendmail_source.replace("HOST", HUB)
    files = {
        f"{system.postfix_directory}/main.cf": MAIN,
        f"{system.postfix_directory}/master.cf": MASTER.format(chroot="n"),
        "/etc/mail/sasl_passwd": f"[{HUB}] maildroid:secret\n",
        system.exim_conf: EXIM,
        f"{system.dovecot_directory}/dovecot.conf": DOVECOT,
        "/etc/mail/sendmail.cf": SENDMAIL,
        source: "DAEMON_OPTIONS(`Port=smtp,Addr=127.0.0.1, Name=MTA')dnl\n",
        f"{system.sasl_directory}/Sendmail.conf": SMTPD_CONF,
        f"{system.sasl_directory}/smtpd.conf": SMTPD_CONF,
        "/usr/lib/sasl2/libplain.so": "",
    }
    for path, text in files.items():
        found.write(path, text, 0o644)
    os.utime(root / "etc/mail/sendmail.cf", (0, 0))
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "rhel-9",
            (
                "usermod -a -G mail USER",
                "dnf install cyrus-sasl-scram",
                "dnf install cyrus-sasl-sql",
                "systemctl restart postfix",
                "read it: systemctl try-reload",
                "/run/exim.pid",
            ),
        ),
        ("rhel-10", ("dnf install cyrus-sasl-sql", "systemctl restart postfix", "makemap cdb")),
        ("fedora-42", ("dnf install cyrus-sasl-scram", "systemctl restart opensmtpd", "root:nullmail")),
        (
            "alpine-3.22",
            (
                "adduser USER mail",
                "apk add cyrus-sasl-scram",
                "apk add cyrus-sasl-sql",
                "rc-service postfix restart",
                "rc-service --ifstarted sendmail restart",
                "rc-service smtpd restart",
            ),
        ),
        ("arch", ("pacman -S libsasl", "pacman -S cyrus-sasl-sql", "systemctl restart smtpd")),
        (
            "freebsd-14",
            (
                "pw groupmod mail -m USER",
                "pkg install cyrus-sasl\n",
                "pkg install cyrus-sasl-sql",
                "service postfix restart",
                "read it: service sendmail restart",
                "sysrc",
                "make -C /etc/mail",
            ),
        ),
        (
            "debian-13",
            (
                "apt-get install libsasl2-modules\n",
                "apt-get install libsasl2-modules-sql",
                "service postfix restart",
                "service opensmtpd start",
            ),
        ),
    ],
)
def test_what_is_printed_names_the_commands_of_the_system(
    tmp_path: Path, name: str, expected: tuple[str, ...]
) -> None:
    host = faulty(tmp_path / "root", name)
    system = system_of(host.root).name
    host("sasl", "add", "tuba")
    host("cert", "issue", "attic")
    said = [host("audit", status=1), host("ca", "crl", "--force")]
    client = ("--account", "tuba", "--host", "attic", "--plaintext")
    said += [host.run("mta", "check", f"{program}-hub") for program in ("sendmail", "postfix", "exim")]
    assert "libscram.so is not installed, and SCRAM-SHA-256 needs it" in said[-2]
    told = host.run("sasl", "conf", "--program", "postfix", "--database", "postgresql://db.example.org/mail")
    assert b"libsql.so: is not installed, and auxprop_plugin sql needs it" in told.complaint
    plain = host.run("sasl", "conf", "--program", "exim", "--saslauthd", "--mechanism", "PLAIN")
    assert b"needs it" not in plain.complaint
    said += [told]
    said += [host("mta", "render", program, *client) for program in ("opensmtpd-client", "nullmailer")]
    said += [host("mta", "render", "msmtp", "--account", "tuba", "--host", "attic")]
    said += [host("mta", "render", "dovecot-hub"), host("mta", "render", "sendmail-client", *client)]
    text = "\n".join(said).replace(f"chroot {host.root} ", "").replace(str(tmp_path), "")
    assert [word for word in expected if word not in text] == []
    is_gnus = bool(re.search(r"\bsed -i (?!'' )", text))
    assert is_gnus == (system != "freebsd"), "its sed takes a word behind -i"
    others = [word for other, words in WORDS.items() if other != system for word in words]
    others += [] if system in BY_SYSTEMD else ["systemctl"]
    ours = [line for line in text.splitlines() if "where systemd runs" not in line]
    assert [line for line in ours if any(word in line for word in others)] == []


@pytest.mark.parametrize("name", ["rhel-10", "alpine-3.22", "arch", "freebsd-14"])
def test_a_bundle_and_what_cyrus_sasl_reads_are_in_the_terms_of_the_system(tmp_path: Path, name: str) -> None:
    host = hub(tmp_path / "root", name)
    system = system_of(host.root).name
    host("sasl", "add", "tuba")
    host("cert", "issue", "attic")
    said: list[str] = []
    for program in ("sendmail-client", "postfix-client", "exim-client", "msmtp", "dma"):
        archive = tmp_path / f"{program}.tar"
        said.append(host("bundle", "attic", "--account", "tuba", "--mta", program, "-o", archive))
        said.append(peer("tar", "-xOf", archive, "etc/smtpcreds/README.bundle"))
    for program in ("sendmail", "postfix", "exim"):
        said.append(host("sasl", "conf", "--program", program))
        accounts = ("--database", "postgresql://db.example.org/mail")
        said.append(host("sasl", "conf", "--program", program, *accounts, "--grants"))
    said.append(host("mta", "list"))
    said.append(host.refuses(66, "mta", "apply", "postfix-hub", "--keytab", "/etc/smtp.keytab"))
    text = "\n".join(said).replace(str(tmp_path), "")
    others = [word for other, words in WORDS.items() if other != system for word in words]
    assert [line for line in text.splitlines() if any(word in line for word in others)] == []
    assert "mta check postfix-client" in text


@pytest.mark.parametrize("name", ["debian-12", "alpine-3.22", "freebsd-14"])
def test_what_dovecot_reads_is_what_the_system_has(tmp_path: Path, name: str) -> None:
    host = hub(tmp_path / "root", name)
    directory = system_of(host.root).dovecot_directory
    host.write(f"{directory}/dovecot.conf", "!include conf.d/*.conf\n!include_try local.conf\n", 0o644)
    host.write(f"{directory}/conf.d/10-auth.conf", DOVECOT, 0o644)
    said = host("setup", HUB, "--mta", "dovecot", "--mta", "postfix")
    parts = [part for line in said.splitlines() for part in astray(line.strip(), str(host.root))]
    assert [part for part in parts if not part.startswith("smtpcreds ")] == []
    assert "(a reload" not in said
    found = host("audit", "--only", "MTA304", status=1)
    assert f"does not include {directory}/smtpcreds-auth.conf" in found
    host("mta", "apply", "dovecot-hub", "--edit")
    assert host("mta", "check", "dovecot-hub").startswith("ok ")
    assert host("audit", "--only", "MTA304") == "nothing found\n"
    host.write(f"{directory}/conf.d/99-mine.conf", "auth_username_format = %n\n", 0o644)
    found = host("audit", "--only", "MTA304", status=1)
    assert f"1d {host.root}{directory}/conf.d/99-mine.conf" in found
