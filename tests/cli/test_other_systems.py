"""Hubs of other systems: files lie, and belong, where the packages of the system have them."""

from pathlib import Path

import pytest
from admin import CONFIG, HUB, Admin

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
