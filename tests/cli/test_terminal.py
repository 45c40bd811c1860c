"""A person at a terminal: asked twice for what is new, once for what exists, and nothing is echoed."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from admin import DOMAIN, HUB, PASSPHRASE, STATE, Admin, snapshot
from person import Person
from pkcs11 import TokenFlag
from softhsm import PIN, Token

from smtpcreds.pkcs11 import may_try_again
from smtpcreds.sasldb.opening import open_store

from .other_ca import request_of

NEW = b"Passphrase of the CA key (empty for none): "
AGAIN = b"Passphrase of the CA key (empty for none), again: "
OLD = b"Passphrase of the CA key: "


PIN_OF_TOKEN = b"PIN of the CA's token: "
RETIRE = b"Retire attic.polkatistas.org? [y/N] "


@pytest.fixture
def people() -> Iterator[list[Person]]:
    there: list[Person] = []
    yield there
    for person in there:
        person.leaves()


def start(people: list[Person], program: Admin, *words: str) -> Person:
    people.append(Person(program, words))
    return people[-1]


def is_encrypted(program: Admin) -> bool:
    return b"ENCRYPTED" in program.path(f"{STATE}/ca/ca-key.pem").read_bytes()


def test_a_new_passphrase_is_asked_for_twice(smtpcreds: Admin, people: list[Person]) -> None:
    person = start(people, smtpcreds, "ca", "init")
    person.answers(NEW, "Ch1mpanzee?")
    person.answers(AGAIN, "Ch1mpanzee?")
    status, screen = person.ends()
    assert status == 0, screen
    assert is_encrypted(smtpcreds)
    assert "Ch1mp" not in screen
    assert "warning" not in screen


def test_an_existing_passphrase_is_asked_for_once(locked: Admin, people: list[Person]) -> None:
    person = start(people, locked, "cert", "issue", "dmzmail")
    person.answers(OLD, PASSPHRASE)
    status, screen = person.ends()
    assert (status, PASSPHRASE in screen) == (0, False), screen


def test_a_wrong_passphrase_is_told_before_the_new_one_is_asked_for(
    locked: Admin, people: list[Person]
) -> None:
    copy = ("ca", "export", "--key", "--to", str(locked.root.parent / "key"), "--new-passphrase", "prompt:")
    for words in (("ca", "passphrase"), copy):
        person = start(people, locked, *words)
        for wrong in ("wrong", "Wrong", "worse"):
            person.answers(OLD, wrong)
        status, screen = person.ends()
        assert (status, screen.count("does not open this key")) == (77, 3)
        assert "ew passphrase" not in screen
    person = start(people, locked, "ca", "passphrase")
    person.answers(OLD, PASSPHRASE)
    person.answers(b"New passphrase of the CA key: ", "an0ther-one")
    person.answers(b"New passphrase of the CA key, again: ", "an0ther-one")
    status, screen = person.ends()
    assert (status, "encrypted with the new passphrase" in screen) == (0, True), screen


def test_a_person_has_three_tries(locked: Admin, people: list[Person]) -> None:
    for wrong, expected in ((["Ch1mp"], 0), (["Ch1mp", "ch1mp?"], 0), (["Ch1mp", "ch1mp?", "chimp"], 77)):
        person = start(people, locked, "cert", "issue", f"mx{len(wrong)}")
        before = snapshot(locked.root)
        for line in wrong:
            person.answers(OLD, line)
        if expected == 0:
            person.answers(OLD, PASSPHRASE)
        status, screen = person.ends()
        assert (status, screen.count("; try again\n")) == (expected, min(len(wrong), 2)), screen
        assert (snapshot(locked.root) == before) == (expected != 0)
        assert not [line for line in wrong if line in screen.split()]


def test_a_bundle_gives_a_person_three_tries(hub: Admin, people: list[Person]) -> None:
    passphrase = hub.secret("passphrase", b"strenggeheim")
    hub("bundle", "attic", "--passphrase", passphrase, "-o", hub.root.parent / "attic.age")
    client = Admin(hub.root.parent / "client")
    person = start(people, client, "setup", "--client", str(hub.root.parent / "attic.age"))
    person.answers(b"Passphrase of the bundle: ", "gehein")
    person.answers(b"Passphrase of the bundle: ", "strenggeheim")
    status, screen = person.ends()
    assert (status, "does not open it" in screen) == (0, True), screen


def test_a_backup_gives_a_person_three_tries(hub: Admin, people: list[Person]) -> None:
    saved = str(hub.root.parent / "saved.age")
    hub("ca", "backup", saved, "--passphrase", hub.secret("passphrase", b"strenggeheim"))
    person = start(people, hub, "ca", "restore", "--check", saved)
    for line in ("gehein", "Geheim", "strenggeheim"):
        person.answers(b"Passphrase of the backup: ", line)
    status, screen = person.ends()
    assert (status, screen.count("; try again\n")) == (0, 2), screen


def test_a_source_that_is_nobody_is_asked_once(locked: Admin, people: list[Person]) -> None:
    """On a terminal, too: a file would give the same again, and a token or a door may count."""
    log = locked.root.parent / "asked"
    script = locked.write("asks", f"#!/bin/sh\necho asked >> {log}\necho wrong\n", 0o700)
    status, screen = start(people, locked, "cert", "issue", "mx", "--passphrase", f"cmd:{script}").ends()
    assert (status, "try again" in screen, log.read_text()) == (77, False, "asked\n")


def test_nothing_typed_means_no_passphrase(smtpcreds: Admin, people: list[Person]) -> None:
    person = start(people, smtpcreds, "ca", "init")
    person.answers(NEW, "")
    person.answers(AGAIN, "")
    status, screen = person.ends()
    assert (status, "warning" in screen) == (0, False), screen
    assert not is_encrypted(smtpcreds)


def test_two_different_entries(smtpcreds: Admin, people: list[Person]) -> None:
    person = start(people, smtpcreds, "ca", "init")
    person.answers(NEW, "Ch1mp?")
    person.answers(AGAIN, "Ch1mp")
    status, screen = person.ends()
    assert status == 65
    assert screen.endswith("the two entries differ\n")
    assert "Ch1mp" not in screen
    assert not smtpcreds.path(STATE).exists()


def test_an_interrupt_at_the_prompt(smtpcreds: Admin, people: list[Person]) -> None:
    person = start(people, smtpcreds, "ca", "init")
    person.answers(NEW, "\x03")
    status, screen = person.ends()
    assert (status, screen.splitlines()[-1]) == (130, "smtpcreds: interrupted")
    assert not smtpcreds.path(STATE).exists()


@pytest.mark.parametrize("verb", [("ca", "init", "-n"), ("ca", "init", "--no-passphrase")])
def test_no_question_where_none_is_needed(
    smtpcreds: Admin, people: list[Person], verb: tuple[str, ...]
) -> None:
    status, screen = start(people, smtpcreds, *verb).ends()
    assert (status, "assphrase" in screen) == (0, False)


def test_a_password_that_is_typed(smtpcreds: Admin, people: list[Person]) -> None:
    person = start(people, smtpcreds, "sasl", "add", "maildroid", "--password", "prompt:")
    person.answers(b"Password for maildroid@dmzmail.polkatistas.org: ", "g3heimnis")
    person.answers(b"Password for maildroid@dmzmail.polkatistas.org, again: ", "g3heimnis")
    status, screen = person.ends()
    assert (status, "g3heimnis" in screen) == (0, False)
    assert smtpcreds("sasl", "show", "maildroid", "--reveal").out == "g3heimnis\n"


def test_a_typed_secret_goes_into_the_bundle(authority: Admin, people: list[Person]) -> None:
    person = start(people, authority, "bundle", "attic", "--mta", "msmtp", "--password", "prompt:")
    person.answers(b"Secret of the account: ", "geheim")
    status, screen = person.ends()
    assert (status, "geheim" in screen) == (0, False)
    assert b"geheim" in (authority.root.parent / "attic.tar").read_bytes()


def test_a_typed_secret_goes_into_the_files_of_a_mail_program(authority: Admin, people: list[Person]) -> None:
    authority("cert", "issue", "attic")
    words = ("mta", "apply", "sendmail-client", "--host", "attic", "--password", "prompt:")
    for changed in (True, False):
        person = start(people, authority, *words)
        person.answers(b"Secret of the account: ", "geheim")
        status, screen = person.ends()
        assert (status, "default-auth-info  0600 root:root  (unchanged)" in screen) == (0, not changed)
    assert b"geheim" in authority.path("/etc/mail/default-auth-info").read_bytes()


def test_a_typed_secret_that_is_in_the_file_already(smtpcreds: Admin, people: list[Person]) -> None:
    path = smtpcreds.directory / "info"
    smtpcreds("sasl", "add", "maildroid", "--hashed", "--auth-info", path)
    secret = path.read_text().splitlines()[2]
    person = start(
        people, smtpcreds, "sasl", "auth-info", "maildroid", "--to", str(path), "--password", "prompt:"
    )
    person.answers(b"Password of maildroid@dmzmail.polkatistas.org: ", secret)
    status, screen = person.ends()
    assert (status, "(unchanged)" in screen) == (0, True)


HOSTILE = os.fsdecode("bell\x07\x1b]0;title\x1b[8m\x7f\u009b31m\u202e\u2028".encode() + b"\x9b31m\xa0")
"""Controls of C0 and C1, of direction and line, and octets that are not UTF-8: 9B is CSI in ISO 8859."""


def obeyed(screen: str) -> str:
    """Return what a terminal would do with it but show it, except by colours and bars of ours."""
    ours = re.sub(r"\r\[[# ]*\][^\r\n]*|\r *\r|\x1b\[\?25[hl]|\x1b\[([012]|3[123])m|\n", "", screen)
    return "".join(character for character in ours if not character.isprintable())


def test_a_name_in_the_database_gives_a_terminal_no_orders(smtpcreds: Admin, people: list[Person]) -> None:
    """saslpasswd2 stores any octets."""
    records = {f"{HOSTILE}\0{HUB}\0userPassword".encode(errors="surrogateescape"): b"x"}
    open_store(str(smtpcreds.path("/etc/sasldb2"))).apply(lambda _: records)
    for words in (("sasl", "list"), ("sasl", "list", "--json"), ("sasl", "export"), ("status",)):
        status, screen = start(people, smtpcreds, *words).ends()
        assert (status, "bell" in screen, obeyed(screen)) == (0, True, ""), words


def test_the_name_of_a_directory_gives_a_terminal_no_orders(tmp_path: Path, people: list[Person]) -> None:
    (tmp_path / HOSTILE).mkdir()
    program = Admin(tmp_path / HOSTILE / "root")
    for words in ("status", "audit", "audit --json", "sasl list", f"sasl verify {HOSTILE}"):
        _, screen = start(people, program, *words.split(" ")).ends()
        assert ("bell" in screen, obeyed(screen)) == (True, ""), words


def test_an_answer_of_several_lines_keeps_them(authority: Admin, people: list[Person]) -> None:
    status, screen = start(people, authority, "ca", "export").ends()
    assert (status, screen) == (0, authority("ca", "export").out)


def test_an_import_shows_how_far_it_is(smtpcreds: Admin, people: list[Person]) -> None:
    file = str(smtpcreds.write("many", "".join(f"user{number},secret\n" for number in range(50))))
    words = ("sasl", "import", file, "--no-header")
    status, screen = start(people, smtpcreds, *words).ends()
    assert (status, "100%" in screen, "50 added" in screen) == (0, True, True)
    for quiet in (("-q", *words), (*words, "--dry-run")):
        status, screen = start(people, smtpcreds, *quiet).ends()
        assert (status, "%" in screen) == (0, False)


def test_long_work_shows_how_far_it_is(hub: Admin, people: list[Person], tmp_path: Path) -> None:
    """On a terminal alone, in a line that is gone at the end; not for programs that read JSON."""
    hub.write("hosts", "".join(f"host{number},,client\n" for number in range(30)))
    hosts, other = str(hub.directory / "hosts"), str(tmp_path / "other.lmdb")
    hub(
        "sasl",
        "import",
        hub.write("many", "".join(f"user{n},s3cret-{n}\n" for n in range(50))),
        "--no-header",
    )
    works = [
        ("cert", "issue", "--from", hosts),
        ("cert", "renew", *(f"host{number}" for number in range(30))),
        ("audit",),
        ("status",),
        ("inventory", "check"),
        ("sasl", "convert", other, "--to", "gdbm"),
    ]
    for words in works:
        _, screen = start(people, hub, *words).ends()
        assert "100%" in screen, words
        assert all("%" not in line.rpartition("\r")[2] for line in screen.split("\n")), words
        again = (*words, "--force") if words[:2] in {("cert", "issue"), ("sasl", "convert")} else words
        assert "%" not in hub.run(*again).err
        _, screen = start(people, hub, *again, "--json").ends()
        assert "%" not in screen, words


WORDS_ALONE = 76
"""A word that is longer, such as a path or 64 hex digits, gets a line of its own."""
READING = (
    *("ca show", "ca restore --check {saved} --passphrase {secret}", "cert list", "cert list --all"),
    *("cert show attic", "cert show dmzmail", "cert verify attic", "cert verify dmzmail", "audit"),
    *("sasl list", "sasl show maildroid", "sasl rotations", "sasl verify maildroid --password {secret}"),
    *("mta list", "mta check sendmail-hub", "mta check postfix-hub", "inventory check", "inventory events"),
    *("status", "tlsa plan dmzmail", "probe smtp://127.0.0.1:9 --account maildroid"),
)


def test_what_is_read_on_a_terminal_fits_80_columns(hub: Admin, people: list[Person]) -> None:
    """A line to be copied is not broken: a command, and what follows "cure:"."""
    saved, secret = hub.root.parent / "saved.age", hub.secret("secret")
    hub("cert", "issue", "attic", "--san", "mail", "--san", "a-name-that-somebody-chose.polkatistas.org")
    hub("ca", "backup", saved, "--passphrase", secret)
    hub("sasl", "rotate", "maildroid", "--client", "attic")
    hub("ca", "rollover")
    hub.path("/etc/sasldb2").chmod(0o644)
    hub("cert", "revoke", "attic")
    wide: list[str] = []
    for line in READING:
        words = line.format(saved=saved, secret=secret).split()
        _, screen = start(people, replace(hub, env={"NO_COLOR": "1"}), *words).ends()
        text = screen.rpartition("\r")[2]
        long = [line for line in text.splitlines() if len(line) > 80]
        copied = ("smtpcreds ", "-m smtpcreds", "cure: ", "     add ")
        wide += [
            one
            for one in long
            if not any(word in one for word in copied) and max(map(len, one.split())) < WORDS_ALONE
        ]
    assert wide == []


def test_lists_fit_the_terminal_and_lines_behind_a_pipe_stay_whole(hub: Admin, people: list[Person]) -> None:
    host = f"{'a-name-that-somebody-chose-' * 2}x.polkatistas.org"
    hub("cert", "issue", host, "--client")
    hub("sasl", "add", "the-" * 8 + "account")
    hub("sasl", "rotate", "maildroid", "--client", host)
    for words in (
        *(("cert", "list"), ("cert", "list", "--all"), ("sasl", "list"), ("sasl", "rotations")),
        *(("mta", "list"), ("inventory", "events"), ("status",)),
    ):
        piped = hub.run(*words).out
        _, screen = start(people, replace(hub, env={"NO_COLOR": "1"}), *words).ends()
        text = screen.rpartition("\r")[2]
        breakable = (line for line in text.splitlines() if " " in line.strip() and "smtpcreds" not in line)
        assert [line for line in breakable if len(line) > 80] == [], words
        assert host in text or host not in piped, words
        assert "smtpcreds" in piped or text.split() == piped.split(), words


def test_an_authority_with_many_certificates_shows_how_far_it_is(
    authority: Admin, people: list[Person], tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "demoCA", Admin(tmp_path / "taking-over")
    (theirs / "private").mkdir(parents=True)
    shutil.copy(authority.path(f"{STATE}/ca/ca-cert.pem"), theirs / "cacert.pem")
    shutil.copy(authority.path(f"{STATE}/ca/ca-key.pem"), theirs / "private/cakey.pem")
    row = "V\t361231235959Z\t\t{:04X}\tunknown\t/CN=host{}.polkatistas.org\n"
    (theirs / "index.txt").write_text("".join(row.format(0x1000 + n, n) for n in range(30)))
    status, screen = start(people, ours, "ca", "import", str(theirs), "--no-passphrase").ends()
    assert (status, "100%" in screen) == (0, True), screen


def test_one_more_authority_before_the_last_rollover_has_ended_is_asked_for(hub: Admin) -> None:
    hub("ca", "rollover")
    for answer, status in (("n", 77), ("y", 0)):
        person = Person(hub, ["ca", "rollover"])
        person.answers(b"is not retired yet? [y/N] ", answer)
        assert person.ends()[0] == status
    assert len(hub.json("ca", "show")["superseded"]) == 2


def test_names_are_shown_before_a_request_is_signed(
    smtpcreds: Admin, people: list[Person], tmp_path: Path
) -> None:
    """Whoever says no has signed nothing; --yes, or no terminal, asks nobody."""
    smtpcreds("ca", "init", "--no-passphrase")
    request = request_of(
        tmp_path, f"/CN=attic.{DOMAIN}", "-addext", f"subjectAltName=DNS:attic.{DOMAIN},DNS:*.{DOMAIN}"
    )
    target = tmp_path / "attic.pem"
    words = ("cert", "sign", str(request), "--to", str(target))
    question = f"Sign a client certificate for attic.{DOMAIN} (not for: wildcard *.{DOMAIN})? [y/N] ".encode()
    person = start(people, smtpcreds, *words)
    person.answers(question, "")
    status, screen = person.ends()
    assert (status, "was not confirmed; nothing was changed" in screen) == (77, True), screen
    assert not target.exists()
    assert smtpcreds.json("cert", "list", "--all")["certificates"] == []
    person = start(people, smtpcreds, *words)
    person.answers(question, "yes")
    assert person.ends()[0] == 0
    status, screen = start(people, smtpcreds, *words, "--force", "--yes").ends()
    assert (status, "[y/N]" in screen) == (0, False), screen


def test_the_last_certificate_of_a_host_is_revoked_only_after_a_question(
    smtpcreds: Admin, people: list[Person]
) -> None:
    """The hub's own, too; --yes, one of two and a run without a terminal ask nobody."""
    smtpcreds("ca", "init", "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    first = smtpcreds.serial()
    person = start(people, smtpcreds, "cert", "revoke", "dmzmail")
    while not person.screen.endswith(b"? [y/N] "):
        assert person.sees()
    assert f"Revoke {first[:12]} (to ".encode() in person.screen
    assert f" of {HUB}, this hub's own? [y/N] ".encode() in person.screen
    person.answers(b"? [y/N] ", "n")
    assert person.ends()[0] == 77
    smtpcreds.verify(smtpcreds.certs / "dmzmail-cert.pem")
    smtpcreds("cert", "issue", "attic", "--to", smtpcreds.directory)
    person = start(people, smtpcreds, "cert", "revoke", "attic")
    person.answers(b", the last that it has? [y/N] ", "y")
    assert person.ends()[0] == 0
    assert start(people, smtpcreds, "cert", "revoke", "dmzmail", "--yes").ends()[0] == 0
    smtpcreds.verify(smtpcreds.certs / "dmzmail-cert.pem", status=2)


@pytest.mark.parametrize(("answer", "is_left"), [("n", True), ("", True), ("y", False)])
def test_a_host_is_retired_by_a_yes_to_all_that_was_shown(hub: Admin, answer: str, is_left: bool) -> None:
    hub("cert", "issue", "attic")
    person = Person(hub, ["cert", "retire", "attic"])
    person.answers(RETIRE, answer)
    status, screen = person.ends()
    assert f"would remove {hub.certs}/attic-key.pem" in screen
    assert (status, (hub.certs / "attic-key.pem").exists()) == (77 if is_left else 0, is_left)


def test_nobody_is_asked_who_has_said_yes(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    status, screen = Person(hub, ["cert", "retire", "attic", "--yes"]).ends()
    assert (status, "[y/N]" in screen) == (0, False)


def test_a_person_has_three_tries_for_a_pin(with_token: Admin, token: Token) -> None:
    with_token.configure()
    for words, pins, expected in (
        (["ca", "init", "--token", token.uri], [PIN], 0),
        (["ca", "crl"], ["polka-0815", PIN], 0),
        (["ca", "crl"], ["polka-0815", "polka-1234", "polka-2345"], 77),
        (["ca", "crl"], [PIN], 0),
    ):
        person = Person(with_token, words)
        for pin in pins:
            person.answers(PIN_OF_TOKEN, pin)
        status, screen = person.ends()
        assert status == expected, screen
        assert not [pin for pin in pins if pin in screen.replace(str(with_token.root), "")]


def test_a_wrong_pin_of_a_file_is_tried_once_whoever_is_at_the_terminal(
    with_token: Admin, token: Token
) -> None:
    """Each try may be the last before the token locks."""
    with_token.configure()
    with_token("ca", "init", "--token", token.uri, "--passphrase", with_token.secret("pin", PIN.encode()))
    wrong = with_token.secret("wrong", b"0815")
    status, screen = Person(with_token, ["ca", "crl", "--passphrase", wrong]).ends()
    assert (status, screen.count("refuses the PIN")) == (77, 1)


def test_no_pin_is_tried_again_by_a_token_with_one_try_left_or_that_does_not_count() -> None:
    low, last, locked = TokenFlag.USER_PIN_COUNT_LOW, TokenFlag.USER_PIN_FINAL_TRY, TokenFlag.USER_PIN_LOCKED
    assert may_try_again(low)
    assert not any(map(may_try_again, (TokenFlag(0), last, low | last, low | locked)))
