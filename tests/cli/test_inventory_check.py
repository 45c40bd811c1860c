"""``inventory check`` and ``inventory events``: what is found, and that the command it names cures it."""

import os
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from admin import CERTS, INVENTORY, STATE, Admin, peer

CA = f"{STATE}/ca"
KEY, CERTIFICATE = (f"{CERTS}/dmzmail-{kind}.pem" for kind in ("key", "cert"))
Found = list[tuple[str, str, str]]


def check(program: Admin) -> Found:
    ran = program.run("inventory", "check", "--json")
    rows = [(row["subject"], row["fault"], row["cure"]) for row in ran.data["findings"]]
    assert ran.status == bool(rows)
    text = program.run("inventory", "check").out.splitlines()
    if head := ran.data["head"]:
        assert text.pop() == f"head: {head['hash']} of {head['events']} events"
    lines = [line for s, f, c in rows for line in (f"{s}: {f}", f"  cure: {c}")]
    assert text == lines or text == ["inventory and disk agree"]
    return rows


def cure(program: Admin, found: Found) -> None:
    """Type what the findings say, and expect that they are gone."""
    for line in dict.fromkeys(cure for _, _, cure in found):
        words = shlex.split(line)
        if words[0] == "smtpcreds":
            program(*words[1:])
        else:
            assert "smtpcreds " not in line
            peer(*words)
    assert check(program) == []


def remove_key(program: Admin) -> None:
    program.path(KEY).unlink()


def remove_both(program: Admin) -> None:
    program.path(KEY).unlink()
    program.path(CERTIFICATE).unlink()


def loosen_key(program: Admin) -> None:
    program.path(KEY).chmod(0o644)


def loosen_directory(program: Admin) -> None:
    program.path(CERTS).chmod(0o755)


def loosen_ca_key(program: Admin) -> None:
    program.path(f"{CA}/ca-key.pem").chmod(0o640)


def exchange_key(program: Admin) -> None:
    program("cert", "issue", "attic")
    program.path(KEY).write_bytes(program.path(f"{CERTS}/attic-key.pem").read_bytes())


def revoke(program: Admin) -> None:
    program("cert", "revoke", "dmzmail")


def put_back_the_previous(program: Admin) -> None:
    previous = program.path(KEY).read_bytes(), program.path(CERTIFICATE).read_bytes()
    program("cert", "issue", "dmzmail", "--force")
    program.path(KEY).write_bytes(previous[0])
    program.path(CERTIFICATE).write_bytes(previous[1])


def sign_behind_its_back(program: Admin) -> None:
    """With a copy of the CA key, which ends in a certificate that nobody recorded."""
    ca = ("-CA", program.path(f"{CA}/ca-cert.pem"), "-CAkey", program.path(f"{CA}/ca-key.pem"))
    request = ("openssl", "req", "-new", "-key", program.path(KEY), "-subj", "/CN=dmzmail.polkatistas.org")
    csr = program.write("csr", peer(*request))
    peer("openssl", "x509", "-req", "-in", csr, *ca, "-days", "9", "-out", program.path(CERTIFICATE))


def old_crl(program: Admin) -> None:
    before = program.path(f"{CA}/crl.pem").read_bytes()
    program("ca", "crl")
    program.path(f"{CA}/crl.pem").write_bytes(before)


def lose_crl(program: Admin) -> None:
    program.path(f"{CA}/crl.pem").unlink()


def lose_links(program: Admin) -> None:
    for path in program.path(CERTS).iterdir():
        if path.is_symlink():
            path.unlink()


def truncate_bundle(program: Admin) -> None:
    program.path(f"{CERTS}/cacert.pem").write_bytes(b"")


def retire_by_force(program: Admin) -> None:
    program("ca", "rollover")
    program("ca", "rollover", "--retire-old", "--force")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (remove_key, "is missing; dmzmail.polkatistas.org has no whole pair"),
        (remove_both, "is missing; dmzmail.polkatistas.org has no whole pair"),
        (loosen_key, "has mode 0644; others may use it"),
        (loosen_directory, "has mode 0755; others may look into it"),
        (loosen_ca_key, "has mode 0640; others may use it"),
        (exchange_key, "is not the key of"),
        (revoke, "was revoked on"),
        (put_back_the_previous, "was superseded by serial"),
        (sign_behind_its_back, "was signed by this authority, but is not in the inventory"),
        (old_crl, "was signed"),
        (lose_crl, "No such file"),
        (lose_links, "is missing, or is not what the authority has now"),
        (truncate_bundle, "is missing, or is not what the authority has now"),
        (retire_by_force, "was signed by an authority that is retired"),
    ],
)
def test_a_fault_is_found_and_its_cure_cures_it(
    hub: Admin, harm: Callable[[Admin], None], fault: str
) -> None:
    assert check(hub) == []
    harm(hub)
    found = check(hub)
    assert any(fault in reason for _, reason, _ in found), found
    cure(hub, found)


def test_an_interrupted_issue_is_found(hub: Admin) -> None:
    assert hub.killed("renameat:signal=KILL:when=1", "cert", "issue", "attic")
    found = check(hub)
    assert any("was begun by an interrupted run" in fault for _, fault, _ in found)
    assert any(".smtpcreds-" in subject for subject, _, _ in found)
    cure(hub, found)


def test_an_expired_crl_is_found(hub: Admin) -> None:
    later = hub.at("31 days")
    found = check(later)
    assert [(subject, "expired on" in fault) for subject, fault, _ in found] == [
        (f"{hub.path(CA)}/crl.pem", True)
    ]
    cure(later, found)


def test_an_authority_without_files_is_found(hub: Admin, tmp_path: Path) -> None:
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail")
    superseded_ca = next(hub.path(CA).glob("old-*"))
    superseded_ca.rename(tmp_path / "gone")
    found = check(hub)
    assert any("but its files are not on disk" in fault for _, fault, _ in found)
    hub("ca", "rollover", "--retire-old")
    hub("ca", "crl")
    assert check(hub) == []


def test_a_lost_inventory_is_begun_anew_above_the_old_crl(hub: Admin) -> None:
    hub("ca", "crl")
    for path in hub.path(STATE).glob("inventory.sqlite3*"):
        path.unlink()
    for words in (("inventory", "check"), ("cert", "list"), ("cert", "revoke", "dmzmail")):
        said = hub.refuses(66, *words)
        assert "there is no inventory of the authority" in said
        assert "smtpcreds ca crl" in said
    ran = hub("ca", "crl", "--json")
    assert ran.data["number"] == 3
    assert "was not in the inventory" in ran.warnings[0]
    found = check(hub)
    assert [fault for _, fault, _ in found] == ["was signed by this authority, but is not in the inventory"]
    cure(hub, found)


def test_a_damaged_inventory_is_one_finding(hub: Admin) -> None:
    path = hub.path(INVENTORY)
    hub("ca", "crl")
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    path.write_bytes(content)
    ran = hub.run("inventory", "check", "--json")
    assert ran.status == 1
    assert "is damaged" in ran.data["findings"][0]["fault"]


def test_directories_that_went_to_their_host_are_not_missed(hub: Admin, tmp_path: Path) -> None:
    hub("cert", "issue", "attic", "--to", tmp_path / "attic")
    assert check(hub) == []
    (tmp_path / "attic/attic-key.pem").unlink()
    assert [Path(subject).name for subject, _, _ in check(hub)] == ["attic-key.pem"]
    peer("rm", "-r", tmp_path / "attic")
    assert check(hub) == []


def test_events_tell_who_did_what(hub: Admin) -> None:
    hub.env = {"SUDO_USER": "aneta"}
    hub("cert", "issue", "attic")
    rows = hub("inventory", "events", "--json").data["events"]
    assert (rows[0]["who"], rows[0]["what"], rows[0]["subject"]) == (
        "aneta",
        "cert issue",
        "attic.polkatistas.org",
    )
    assert [row["what"] for row in rows] == ["cert issue", "cert issue", "ca init"]
    assert len(hub("inventory", "events", "--limit", "1", "--json").data["events"]) == 1
    assert len(hub("inventory", "events", "--subject", "attic.polkatistas.org").out.splitlines()) == 1
    later = hub.at("8 days")
    assert later("inventory", "events", "--since", "7d").out == "no events\n"
    assert len(later("inventory", "events", "--since", "2w").out.splitlines()) == 3
    assert "12h, 30d, 4w" in hub.refuses(64, "inventory", "events", "--since", "soon")


def test_nothing_to_check(smtpcreds: Admin) -> None:
    assert "smtpcreds ca init" in smtpcreds.refuses(66, "inventory", "check")


def tamper(program: Admin, statement: str) -> None:
    with closing(sqlite3.connect(program.path(INVENTORY))) as connection, connection:
        for trigger in ("events_unchanged", "events_remain"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        connection.execute(statement)


def test_an_event_that_was_altered_is_found_and_named(hub: Admin) -> None:
    tamper(hub, "UPDATE events SET who = 'nobody' WHERE what = 'cert issue'")
    ((subject, fault, _),) = check(hub)
    assert subject == "event 2"
    assert re.match(
        r"\(cert issue dmzmail\.polkatistas\.org by nobody at [0-9: -]+\) does not follow from the one",
        fault,
    )


def test_events_that_were_cut_off_are_found_by_the_head_that_was_noted(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    head = re.fullmatch(
        r"inventory and disk agree\nhead: ([0-9a-f]{64}) of 3 events\n", hub("inventory", "check").out
    )
    assert head
    hub("ca", "crl")
    assert "agree" in hub("inventory", "check", "--head", head[1])
    tamper(hub, "DELETE FROM events WHERE id > 2")
    ((subject, fault, _),) = check(hub)  # by the certificate; of a CRL nothing would show it
    assert subject == "attic.polkatistas.org"
    assert fault.endswith("is issued; the record of events says otherwise")
    said = hub("inventory", "check", "--head", head[1], status=1).out
    assert f"has no event with the hash {head[1]}" in said


def test_an_older_state_that_was_put_back_is_found_by_the_head(hub: Admin, tmp_path: Path) -> None:
    older = hub.copy(tmp_path / "older")
    hub("cert", "issue", "attic")
    head = hub("inventory", "check", "--json").data["head"]
    assert head["events"] == 3
    assert "cut off, or an older state" in older("inventory", "check", "--head", head["hash"], status=1)


def test_a_head_that_is_none_is_refused(hub: Admin) -> None:
    assert "64 hex digits" in hub.refuses(64, "inventory", "check", "--head", "c0ffee")
