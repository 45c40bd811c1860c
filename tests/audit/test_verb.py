"""``smtpcreds audit`` as it is typed: what it prints, how it ends, what it changes and what it leaves."""

import os
import subprocess
from pathlib import Path

import pytest
from admin import HUB, Admin, peer, snapshot

from .conftest import Made
from .scene import Host

KEY = "/etc/mail/certs/dmzmail-key.pem"


@pytest.fixture
def host(scene: Made) -> Host:
    return scene("hub")


@pytest.fixture
def program(host: Host) -> Admin:
    return host.program()


def test_a_clean_host(program: Admin) -> None:
    before = snapshot(program.root)
    assert program("audit").out == "nothing found\n"
    assert program("audit", "--json").data == {
        "findings": [],
        "repaired": 0,
        "not_there": [],
        "warnings": [],
    }
    assert snapshot(program.root) == before


def test_an_empty_root(tmp_path: Path) -> None:
    empty = Admin(tmp_path / "root")
    empty.configure()
    said = empty("audit").out.splitlines()
    assert said[0] == "nothing found"
    absent = ("an authority", f"certificates in {empty.certs}", f"accounts in {empty.database}")
    assert said[1].startswith(f"not present, so not checked: {', '.join(absent)}, Sendmail")
    assert len(empty("audit", "--json").data["not_there"]) == 4
    assert not empty.path("/var").exists()


def test_text_and_json_say_the_same(host: Host, program: Admin) -> None:
    host.path(KEY).chmod(0o644)
    key = str(host.path(KEY))
    ran = program.run("audit")
    assert ran.status == 1
    reason = "mode 0644, readable by everyone; Sendmail refuses it, and mail goes unencrypted"
    assert ran.out == (f"PERM001 error  {key}: {reason}\n  cure: chmod 0600 '{key}'\n1 error\n")
    ran = program.run("audit", "--json")
    assert ran.status == 1
    assert ran.data["findings"] == [
        {
            "code": "PERM001",
            "severity": "error",
            "subject": key,
            "reason": reason,
            "cure": f"chmod 0600 '{key}'",
            "repairable": True,
        }
    ]
    peer("sh", "-c", ran.data["findings"][0]["cure"])
    assert program("audit").out == "nothing found\n"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ((), 0),
        (("--fail-on", "note"), 1),
        (("--fail-on", "error"), 0),
        (("--fail-on", "note", "--ignore", "cert022"), 0),
        (("--fail-on", "note", "--only", "PERM"), 0),
        (("--fail-on", "note", "--only", "PERM", "--only", "CERT022"), 1),
    ],
)
def test_the_exit_status_depends_on_what_is_asked(host: Host, words: tuple[str, ...], status: int) -> None:
    with host.path("/etc/mail/sendmail.cf").open("a") as file:
        file.write("Cwpolkatistas.org\n")
    assert host.program().run("audit", *words).status == status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--only", "PERM999"), "PERM999: is not a code of the audit"),
        (("--ignore", "x"), "x: is not a code of the audit"),
        (("--fail-on", "fatal"), "--fail-on"),
    ],
)
def test_bad_usage(program: Admin, words: tuple[str, ...], said: str) -> None:
    assert said in program.refuses(64, "audit", *words)


def test_fix_is_planned_done_and_recorded(host: Host, program: Admin) -> None:
    host.path(KEY).chmod(0o644)
    host.path("/etc/mail").chmod(0o775)
    before = snapshot(host.root)
    lines = program("audit", "--fix", "-n").out.splitlines()
    assert lines[0] == f"would chmod {host.path(KEY)}  0600"
    assert [line.split()[-3:] for line in lines[1:]] == [["(events:", "1", "added)"]]
    assert snapshot(host.root) == before
    ran = program.run("audit", "--fix")
    assert ran.status == 1, "a directory of the system is left to the administrator"
    lines = ran.out.splitlines()
    assert (lines[0], lines[1].split()[0], lines[-1]) == ("repaired: 1", "PERM003", "1 error")
    assert program.mode(KEY) == 0o600
    assert "audit fix" in program("inventory", "events").out
    host.path("/etc/mail").chmod(0o755)
    assert program("audit", "--fix").out == "nothing found\n"


def test_only_narrows_what_is_repaired(host: Host, program: Admin) -> None:
    host.path(KEY).chmod(0o644)
    host.path("/etc/sasldb2").chmod(0o666)
    program("audit", "--fix", "--only", "PERM010")
    assert (program.mode("/etc/sasldb2"), program.mode(KEY)) == (0o660, 0o644)


def test_a_second_name_is_not_changed_by_way_of_the_first(host: Host, program: Admin) -> None:
    """Who can write to the directory could otherwise have any file of the system given to root, or closed."""
    elsewhere = host.write("/etc/other", "of somebody\n", 0o644)
    host.path(KEY).unlink()
    os.link(elsewhere, host.path(KEY))
    host.path("/etc/sasldb2").chmod(0o666)
    ran = program.run("audit", "--fix")
    assert any("2 hard links and was not changed" in warning for warning in ran.warnings)
    assert ran.out.startswith("repaired: 1\n"), "what can't be repaired does not keep the rest from it"
    assert program.mode("/etc/other") == 0o644


def test_the_repair_of_a_database_keeps_every_account(host: Host, program: Admin) -> None:
    secret = program("sasl", "show", "maildroid", "--reveal").out
    words = ("-f", host.path("/etc/sasldb2"), "-u", HUB)
    for name, old in (("anna", b"Quetschkommode"), ("bert", b"Ziehharmonika-und-Bandoneon")):
        peer("saslpasswd2", "-p", "-c", *words, name, stdin=old)
    for name in ("bert", "anna"):
        peer("saslpasswd2", "-d", *words, name)
    peer("setfacl", "-m", "g:mail:r", host.path("/etc/sasldb2"))
    assert b"Quetschkommode" in host.path("/etc/sasldb2").read_bytes()
    program("audit", "--fix")
    assert b"Quetschkommode" not in host.path("/etc/sasldb2").read_bytes()
    assert program("sasl", "show", "maildroid", "--reveal").out == secret
    assert HUB in peer("sasldblistusers2", "-f", host.path("/etc/sasldb2"))
    assert "mail" not in peer("getfacl", "-p", host.path("/etc/sasldb2"))


def test_a_map_that_was_made_anew_is_what_makemap_makes(host: Host, program: Admin) -> None:
    source, path = host.path("/etc/mail/access"), host.path("/etc/mail/access.db")
    source.write_text(
        "# a comment\n\n127.0.0.1\tRELAY\nTLS_Srv:MX.example.net  VERIFY\nConnect:10 REJECT no\n"
    )
    old = source.stat().st_mtime - 60
    os.utime(path, (old, old))
    program("audit", "--fix")
    from lab.debs import unpacked

    from .scene import CF, PACKAGES

    makemap = unpacked(*PACKAGES) / "usr/libexec/sendmail/makemap"
    done = subprocess.run([makemap, "-C", host.path(CF), "-u", "hash", path], capture_output=True, text=True)
    assert sorted(done.stdout.splitlines()) == [
        "127.0.0.1\tRELAY",
        "connect:10\tREJECT no",
        "tls_srv:mx.example.net\tVERIFY",
    ]


def test_no_secret_is_shown(host: Host, program: Admin) -> None:
    host.write("/etc/mail/default-auth-info", "maildroid\nmaildroid\ngeheimnis\nexample.net\n", 0o644)
    line = 'AuthInfo:x "U:maildroid" "P:geheimnis" oops\n'
    host.write("/etc/mail/authinfo", line, 0o644)
    for words in (("audit",), ("audit", "--json"), ("-v", "audit", "--fix", "-n")):
        ran = program.run(*words)
        assert "geheimnis" not in ran.out + ran.err
        assert "default-auth-info" in ran.out


def test_another_clock(host: Host) -> None:
    """The process, not only the library, goes by the clock of the system."""
    later = Admin(host.root).at("+31 days")
    ran = later.run("audit", "--json")
    assert {finding["code"] for finding in ran.data["findings"]} == {"CERT014"}


def test_one_check_that_fails_does_not_stop_the_others(host: Host, program: Admin) -> None:
    host.write("/etc/postfix/main.cf", "nonsense\n")
    host.write("/var/lib/smtpcreds/inventory.sqlite3", b"nonsense" * 1000, 0o600)
    host.write("/var/lib/smtpcreds/ca/ca-cert.pem", "nonsense", 0o600)
    host.path(KEY).chmod(0o644)
    found = program.run("audit", "--json").data["findings"]
    assert [f["code"] for f in found if f["code"] != "AUDIT001"] == ["PERM001"]
    unread = {f["subject"].removeprefix(str(host.root)) for f in found if f["code"] == "AUDIT001"}
    state = "/var/lib/smtpcreds"
    assert unread == {"/etc/postfix/main.cf", f"{state}/inventory.sqlite3", f"{state}/ca/ca-cert.pem"}


def test_a_repair_without_an_inventory_is_made_too(host: Host, program: Admin) -> None:
    host.write("/var/lib/smtpcreds/inventory.sqlite3", b"nonsense" * 1000, 0o600)
    host.path(KEY).chmod(0o644)
    ran = program.run("audit", "--fix")
    assert program.mode(KEY) == 0o600
    assert ran.warnings[0].startswith("the repairs were not recorded")


@pytest.mark.parametrize("owner", [0, 4711])
def test_what_another_user_s_link_leads_to_is_reported_and_left_alone(
    host: Host, program: Admin, owner: int
) -> None:
    victim = program.write("/srv/page", host.path(KEY).read_bytes(), 0o644)
    host.path(KEY).unlink()
    host.path(KEY).symlink_to(victim)
    os.lchown(host.path(KEY), owner, owner)
    assert f"{victim}: mode 0644" in program.run("audit")
    assert (f"would chmod {victim}" in program.run("-n", "audit", "--fix")) == (owner == 0)
    program.run("audit", "--fix")
    assert program.mode("/srv/page") == (0o600 if owner == 0 else 0o644)


def test_the_key_of_an_old_ca_is_for_root_alone(host: Host, program: Admin) -> None:
    """Its group may read a server's key in some places; 0640 was the cure for this one, too."""
    key = host.cert("demoCA/private/cakey.pem")
    key.parent.mkdir(0o700, parents=True)
    key.write_bytes(host.path(KEY).read_bytes())
    key.chmod(0o644)
    assert f"chmod 0600 '{key}'" in program.run("audit").out
