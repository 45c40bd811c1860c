"""``--keytab``: what a hub offers with it, which files are refused, what is remembered and handed on."""

import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import CONFIG, HUB, Admin, issued_hub, snapshot
from keytabs import keytab

KEYTAB = "/etc/smtp.keytab"
SERVICE = f"smtp/{HUB}"
HUB_M4 = "/etc/mail/smtpcreds/hub.m4"
SASL_CONF = "/etc/sasl2/Sendmail.conf"
SENDMAIL = ("mta", "apply", "sendmail-hub")
PASSWORDS = "SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5"
BOTH = f"GSSAPI {PASSWORDS}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = issued_hub(tmp_path_factory.mktemp("keytab") / "root")
    hub("sasl", "add", "maildroid")
    hub.write(KEYTAB, keytab(SERVICE), 0o600)
    hub.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\npostfix:x:4711:4712::/:/bin/false\n", 0o644)
    hub.write("/etc/group", "root:x:0:\npostfix:x:4712:\nsasl:x:4713:postfix\n", 0o644)
    return hub.root


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def offered(hub: Admin) -> tuple[str, str]:
    """Return what Cyrus SASL is told to offer, and what Sendmail is."""
    conf = dict(line.split(": ") for line in hub.path(SASL_CONF).read_text().splitlines())
    m4 = next(line for line in hub.path(HUB_M4).read_text().splitlines() if "confAUTH_MECHANISMS" in line)
    return conf["mech_list"], m4.split("`")[2].rstrip("')dnl")


def test_it_is_offered_and_trusted_beside_the_others(hub: Admin) -> None:
    hub(*SENDMAIL, "--keytab", KEYTAB)
    assert offered(hub) == (BOTH, BOTH)
    assert f"TRUST_AUTH_MECH(`{BOTH}')dnl" in hub.path(HUB_M4).read_text()
    assert f"\nkeytab: {KEYTAB}\n" in hub.path(SASL_CONF).read_text()


def test_alone(hub: Admin) -> None:
    hub(*SENDMAIL, "--keytab", KEYTAB, "--mechanism", "gssapi")
    assert offered(hub) == ("GSSAPI", "GSSAPI")


def link(hub: Admin, path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def other_group(hub: Admin, path: Path) -> None:
    os.chown(path, 0, 4714)
    path.chmod(0o640)


def fifo(hub: Admin, path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def directory(hub: Admin, path: Path) -> None:
    path.unlink()
    path.mkdir()


HOSTILE: dict[str, tuple[Callable[[Admin, Path], object], int, str]] = {
    "missing": (lambda _, path: path.unlink(), 66, f"is missing.*ktadd -k {KEYTAB} {SERVICE}"),
    "link": (link, 77, "is a symbolic link and is not followed"),
    "stranger": (lambda _, path: os.chown(path, 4714, 0), 77, "belongs to .*who can pose as the mail server"),
    "open": (lambda _, path: path.chmod(0o644), 77, "has mode 0644; who reads it.*chmod 0640 "),
    "group": (other_group, 77, "has mode 0640; who reads it"),
    "fifo": (fifo, 77, "is not a regular file"),
    "directory": (directory, 77, "is not a regular file"),
    "parent": (lambda _, path: path.parent.chmod(0o777), 77, "which is writable by everybody"),
    "nonsense": (lambda _, path: path.write_bytes(b"geheim"), 65, "is no keytab"),
    "cut": (lambda _, path: path.write_bytes(keytab(SERVICE)[:30]), 65, "ends too early"),
    "other": (
        lambda _, path: path.write_bytes(keytab(f"imap/{HUB}")),
        66,
        f"holds no key of {SERVICE}, but of imap/{HUB}@POLKATISTAS.ORG",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("preview", [(), ("-n",)], ids=["run", "dry"])
def test_a_keytab_that_is_refused_changes_nothing(hub: Admin, name: str, preview: tuple[str, ...]) -> None:
    break_, status, why = HOSTILE[name]
    break_(hub, hub.path(KEYTAB))
    before = snapshot(hub.root)
    done = hub.run(*preview, *SENDMAIL, "--keytab", KEYTAB)
    assert done.status == status, done
    assert re.search(why, done.problem, re.DOTALL), done.problem
    assert "geheim" not in done
    assert snapshot(hub.root) == before


def test_the_mail_servers_own_user_and_group_may_read_it(hub: Admin) -> None:
    postfix = ("mta", "apply", "postfix-hub", "--with", "unchrooted", "--keytab", KEYTAB)
    assert f"chroot {hub.root} chgrp postfix {KEYTAB}" in hub(*postfix)
    for owner, group, mode in ((0, 4712, 0o640), (0, 4713, 0o440), (4711, 4712, 0o600)):
        os.chown(hub.path(KEYTAB), owner, group)
        hub.path(KEYTAB).chmod(mode)
        assert "chgrp postfix /" not in hub(*postfix).replace("/etc/sasldb2", "")
    hub.path(KEYTAB).chmod(0o640)
    os.chown(hub.path(KEYTAB), 0, 4712)
    assert "has mode 0640" in hub.refuses(77, *SENDMAIL, "--keytab", KEYTAB)


def test_the_plugin_has_to_be_installed(hub: Admin) -> None:
    hub.write("/usr/lib/x86_64-linux-gnu/sasl2/libscram.so", "")
    told = hub.refuses(66, *SENDMAIL, "--keytab", KEYTAB)
    assert "apt-get install libsasl2-modules-gssapi-mit" in told
    said = str(hub.run("sasl", "conf", "--mechanism", "GSSAPI"))
    assert "libgssapiv2.so: is not installed, and GSSAPI needs it" in said
    hub.write("/usr/lib/x86_64-linux-gnu/sasl2/libgssapiv2.so.2", "")
    hub(*SENDMAIL, "--keytab", KEYTAB)


def test_it_holds_until_something_else_of_its_kind_is_said(hub: Admin) -> None:
    hub(*SENDMAIL, "--keytab", KEYTAB, "--relay-certificates")
    assert not hub.json(*SENDMAIL)["changed"]
    assert f"--keytab {KEYTAB} --relay-certificates" in hub("mta", "list")
    hub("-n", *SENDMAIL, "--defaults")
    assert offered(hub)[0] == BOTH
    hub(*SENDMAIL, "--mechanism", "CRAM-MD5")
    assert offered(hub) == ("CRAM-MD5", "CRAM-MD5")
    assert "keytab" not in hub.path(SASL_CONF).read_text()
    hub(*SENDMAIL, "--keytab", KEYTAB)
    hub(*SENDMAIL, "--defaults")
    assert offered(hub) == (PASSWORDS, PASSWORDS)


@pytest.mark.parametrize("left", ["--defaults", "--plaintext"])
def test_who_loses_it_is_told_how_to_keep_it(hub: Admin, left: str) -> None:
    hub.write("/etc/mail/sendmail.cf", f"O AuthMechanisms={BOTH}\n", 0o644)
    hub(*SENDMAIL, "--keytab", KEYTAB)
    (warning,) = hub(*SENDMAIL, left).warnings
    keep = warning.partition("; to keep: ")[2]
    assert keep.startswith("smtpcreds mta apply sendmail-hub --keytab /etc/smtp.keytab"), warning
    hub(*keep.split()[1:])
    assert "GSSAPI" in offered(hub)[0]


REFUSED = {
    "relative": (("sendmail-hub", "--keytab", "smtp.keytab"), "takes an absolute path"),
    "type": (("sendmail-hub", "--keytab", "FILE:/etc/smtp.keytab"), "takes an absolute path"),
    "no keytab": (("sendmail-hub", "--mechanism", "GSSAPI"), "needs the keytab of the mail server"),
    "client": (("postfix-client", "--keytab", KEYTAB), "is for a hub"),
    "client by name": (("msmtp", "--mechanism", "GSSAPI"), "is not a mechanism of msmtp"),
    "dovecot": (("dovecot-hub", "--keytab", KEYTAB), "is for Cyrus SASL"),
    "asks dovecot": (("postfix-hub", "--with", "dovecot", "--keytab", KEYTAB), "is for Cyrus SASL"),
    "chroot": (("postfix-hub", "--keytab", KEYTAB), "in its chroot"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_it_can_not_be(hub: Admin, name: str) -> None:
    words, why = REFUSED[name]
    done = hub.run("mta", "apply", *words)
    assert done.status in {64, 65}, done
    assert why in done.problem


def test_another_realm_than_the_name(hub: Admin) -> None:
    hub.configure(f'{CONFIG}[sasl]\nrealm = "polkatistas.org"\n')
    assert "Sendmail would look for its key" in hub.refuses(65, *SENDMAIL, "--keytab", KEYTAB)


def test_a_client_host_is_told_of_passwords_alone(hub: Admin, tmp_path: Path) -> None:
    hub(*SENDMAIL, "--keytab", KEYTAB, "--mechanism", "CRAM-MD5")
    for program in ("msmtp", "postfix", "curl"):
        path = tmp_path / f"{program}.tar"
        hub("bundle", "attic", "--mta", program, "-o", path, "--force", "--new-key")
        with tarfile.open(path) as archive:
            texts = [archive.extractfile(m).read() for m in archive if m.isfile()]  # type: ignore[union-attr]
        assert any(b"CRAM-MD5" in text.upper() for text in texts), program
        assert not any(b"GSSAPI" in text.upper() for text in texts), program


def test_a_hub_that_takes_nothing_else_gets_no_client_hosts(hub: Admin, tmp_path: Path) -> None:
    hub(*SENDMAIL, "--keytab", KEYTAB, "--mechanism", "GSSAPI")
    words = ("bundle", "attic", "--mta", "msmtp", "-o", tmp_path / "attic.tar")
    told = hub.refuses(64, *words)
    assert "this hub takes nothing but Kerberos tickets" in told
    command = told.partition("hint: ")[2].partition(" --edit")[0].split()[1:]
    hub(*command)
    hub(*words)


def test_sasl_conf(hub: Admin) -> None:
    shown = hub("sasl", "conf", "--keytab", KEYTAB, "--mechanism", "SCRAM-SHA-256")
    assert "mech_list: GSSAPI SCRAM-SHA-256" in shown.out.splitlines()
    assert f"keytab: {KEYTAB}" in shown.out.splitlines()
    assert not shown.warnings
    assert "mech_list: GSSAPI PLAIN LOGIN" in hub("sasl", "conf", "--saslauthd", "--keytab", KEYTAB).out
    hub.path(KEYTAB).chmod(0o644)
    (warning,) = hub("sasl", "conf", "--keytab", KEYTAB).warnings
    assert "has mode 0644" in warning
    link(hub, hub.path(KEYTAB))
    (warning,) = hub("sasl", "conf", "--keytab", KEYTAB).warnings
    assert warning.endswith("is a symbolic link and is not followed; name its target")
    assert "absolute path" in hub.refuses(64, "sasl", "conf", "--keytab", "smtp.keytab")
