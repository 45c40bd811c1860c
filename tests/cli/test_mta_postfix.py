"""``smtpcreds mta`` for Postfix: its copy of the accounts, its list of keys, its lines in main.cf."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from admin import HUB, Admin, issued_hub

from smtpcreds.sasldb.opening import format_at, open_store

CLIENT = ("postfix-client", "--host", "attic")
COPY = "/var/spool/postfix/etc/postfix/sasldb2"
CLIENTS = "etc/postfix/smtpcreds/relay_clientcerts"
DATABASE = "etc/sasldb2"
CALLS = ("renameat", "fsync")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("mta") / "root")
    (stage.root / "etc/group").write_text("postfix:x:12345:\n")
    stage("sasl", "add", "maildroid")
    stage("cert", "issue", "attic")
    return stage.root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


@pytest.fixture(scope="module")
def template_in_step(template: Path) -> Path:
    shutil.copytree(template, template.parent / "in-step", symlinks=True)
    stage = Admin(template.parent / "in-step")
    stage("mta", "apply", "postfix-hub")
    configure(stage, f'[sasl]\ncopies = ["{COPY}"]\n')
    return stage.root


@pytest.fixture
def in_step(template_in_step: Path, tmp_path: Path) -> Admin:
    """A hub whose copy is made and configured."""
    subprocess.run(["cp", "-a", template_in_step, tmp_path / "root"], check=True)
    return Admin(tmp_path / "root")


def configure(stage: Admin, text: str) -> None:
    with (stage.root / "etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write(text)


def copy(stage: Admin) -> Path:
    return stage.root / COPY[1:]


def records(path: Path) -> dict[bytes, bytes]:
    return dict(open_store(str(path)).load())


def faults(stage: Admin, *options: str) -> list[str]:
    done = stage.run("--json", "mta", "check", "postfix-hub", *options)
    findings = done.data["findings"]
    assert done.status == bool(findings)
    return [f["what"] for f in findings if not f["path"].endswith("main.cf")]


def test_apply_makes_the_copy_closed_and_says_what_keeps_it_in_step(stage: Admin) -> None:
    planned = stage.json("-n", "mta", "apply", "postfix-hub")["plan"]
    assert ("write", str(copy(stage)), "0640") in {(c["action"], c["target"], c["mode"]) for c in planned}
    done = stage.json("mta", "apply", "postfix-hub")
    includes = {Path(i["file"]).name: i["lines"] for i in done["include"]}
    assert includes["smtpcreds.toml"] == [f'copies = ["{COPY}"]']
    assert faults(stage) == ["lets changes of accounts not reach their copy"]
    assert f"BAD  {stage.root}/etc/smtpcreds/smtpcreds.toml lets" in stage(
        "mta", "check", "postfix-hub", status=1
    )
    assert records(copy(stage)) == records(stage.root / DATABASE)
    found = copy(stage).stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert os.geteuid() or (found.st_uid, found.st_gid) == (0, 12345)
    configure(stage, f'[sasl]\ncopies = ["{COPY}"]\n')
    again = stage.json("mta", "apply", "postfix-hub")
    assert (again["changed"], [Path(i["file"]).name for i in again["include"]]) == (False, ["main.cf"])


def test_every_change_of_an_account_reaches_the_copy(in_step: Admin) -> None:
    seen = [records(copy(in_step))]
    for words in (("add", "tuba"), ("passwd", "tuba"), ("passwd", "maildroid"), ("delete", "maildroid")):
        in_step("sasl", *words)
        seen.append(records(copy(in_step)))
        assert seen[-1] == records(in_step.root / DATABASE) != seen[-2]
        assert faults(in_step) == []
    assert stat.S_IMODE(copy(in_step).stat().st_mode) == 0o640


def test_what_others_did_to_the_copy_is_found_and_put_right(in_step: Admin) -> None:
    path, database = copy(in_step), in_step.root / DATABASE
    open_store(str(database)).apply(lambda _: {b"x\0r\0userPassword": b"by saslpasswd2"})
    assert faults(in_step) == [f"is not a current copy of {database}"]
    path.write_bytes(b"garbage" * 2000)
    path.chmod(0o666)
    assert faults(in_step) == [f"is not a current copy of {database}", "has mode 0666, not 0640"]
    in_step("mta", "apply", "postfix-hub")
    assert faults(in_step) == []
    path.unlink()
    assert faults(in_step) == ["is missing"]
    assert f"{path}: is missing" in in_step("sasl", "add", "tuba")
    other = in_step.root / "etc/other"
    in_step("sasl", "convert", "--to", "gdbm", other)
    other.rename(database)
    in_step("mta", "apply", "postfix-hub")
    assert format_at(str(path)) == format_at(str(database)) == "gdbm"
    assert faults(in_step) == []


def test_a_killed_delete_is_completed_by_the_same_words(in_step: Admin) -> None:
    """Whatever it was killed at, the account is not gone from the database while it is in the copy."""
    path, database = copy(in_step), in_step.root / DATABASE
    kept = {place: place.read_bytes() for place in (path, database)}
    kills = 0
    for call in CALLS:
        for number in range(1, 9):
            for place, content in kept.items():
                place.write_bytes(content)
            if not in_step.killed(f"{call}:signal=KILL:when={number}", "sasl", "delete", "maildroid"):
                break
            kills += 1
            assert records(database) or not records(path), (call, number)
            if records(database):
                in_step("sasl", "delete", "maildroid")
            assert records(database) == records(path) == {}, (call, number)
    assert kills >= 4


def test_a_change_that_fails_leaves_the_copy_as_it_was(in_step: Admin) -> None:
    before = records(copy(in_step))
    (in_step.root / "etc/hard-link").hardlink_to(in_step.root / DATABASE)
    assert "hard link" in in_step("sasl", "delete", "maildroid", status=77)
    assert records(copy(in_step)) == before == records(in_step.root / DATABASE)


def test_without_accounts_apply_says_how_to_make_one(stage: Admin) -> None:
    (stage.root / DATABASE).unlink()
    assert "smtpcreds sasl add maildroid" in stage("mta", "apply", "postfix-hub", status=66)
    assert "smtpcreds sasl add maildroid" in stage("mta", "render", *CLIENT, status=67)


def test_a_database_inside_the_chroot_needs_no_copy(stage: Admin) -> None:
    inside = stage.root / "var/spool/postfix/etc/sasldb2"
    inside.parent.mkdir(parents=True)
    (stage.root / DATABASE).rename(inside)
    configure(stage, '[sasl]\ndatabase = "/var/spool/postfix/etc/sasldb2"\n')
    stage("mta", "apply", "postfix-hub")
    assert not copy(stage).exists()
    assert "sasldb_path: /etc/sasldb2\n" in (stage.root / "etc/postfix/sasl/smtpd.conf").read_text()


def test_copies_of_a_table_are_refused(in_step: Admin) -> None:
    configure(in_step, 'database = "postgresql://db.example.org/mail"\n')
    assert "sasl.copies: are of a file" in in_step("sasl", "add", "tuba", status=78)


def test_a_revoked_key_leaves_the_list_whatever_is_wished(stage: Admin) -> None:
    wish = ("postfix-hub", "--relay-host", "attic")
    stage("mta", "apply", *wish)
    assert "attic.polkatistas.org" in (stage.root / CLIENTS).read_text()
    stage("cert", "revoke", "attic")
    assert "attic.polkatistas.org: may not relay" in stage("mta", "apply", *wish)
    assert (stage.root / CLIENTS).read_text() == ""
    assert "smtpcreds cert issue tuba" in stage(
        "mta", "apply", "postfix-hub", "--relay-host", "tuba", status=66
    )


def test_keys_of_a_retired_authority_leave_the_list(stage: Admin) -> None:
    """Postfix looks at the key alone, whoever signed the certificate; a key that the new one signed stays."""
    stage("cert", "issue", "tuba")
    stage("mta", "apply", "postfix-hub", "--relay-certificates")
    stage("ca", "rollover")
    for host in ("dmzmail", "tuba"):
        stage("cert", "renew", host)
    assert "attic.polkatistas.org" in (stage.root / CLIENTS).read_text()
    assert "mta apply postfix-hub" in stage("ca", "rollover", "--retire-old", "--force")
    for wish in (("--relay-certificates",), ("--relay-host=attic", "--relay-host=tuba")):
        said = stage("mta", "apply", "postfix-hub", *wish)
        listed = (stage.root / CLIENTS).read_text()
        assert "tuba.polkatistas.org" in listed
        assert "attic.polkatistas.org" not in listed
    (warning,) = said.warnings
    assert "attic.polkatistas.org: may not relay" in warning
    stage(*warning.partition("; smtpcreds ")[2].split())
    stage("mta", "apply", "postfix-hub", *wish)
    assert "attic.polkatistas.org" in (stage.root / CLIENTS).read_text()


def test_the_list_is_emptied_when_nobody_may_relay_any_more(stage: Admin) -> None:
    stage("mta", "apply", "postfix-hub", "--relay-certificates", "--with", "hash")
    stage("mta", "apply", "postfix-hub", "--defaults", "--with", "hash")
    assert (stage.root / CLIENTS).read_text() == ""
    assert records(stage.root / f"{CLIENTS}.db") == {}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("postfix-hub", "--external"), "--external: is not a mechanism of postfix-hub"),
        (("postfix-hub", "--with", "hash", "--with", "lmdb"), "hash and lmdb: are two types of table"),
        ((*CLIENT, "--mechanism", "EXTERNAL"), "EXTERNAL: is not a mechanism of postfix-client"),
        (("postfix-hub", "--access", "Try_TLS:old.example.org NO"), "has no access map"),
    ],
)
def test_what_postfix_can_not_do_is_refused(stage: Admin, words: tuple[str, ...], told: str) -> None:
    done = stage.run("mta", "render", *words)
    assert done.status in {64, 65}
    assert told in done.err


def test_a_database_behind_a_socket_is_refused_in_the_chroot(stage: Admin) -> None:
    configure(stage, '[sasl]\ndatabase = "postgresql:///mail?host=/run/postgresql"\n')
    told = stage("mta", "render", "postfix-hub", status=65)
    assert "--with unchrooted" in told
    assert "sql_hostnames" in stage("mta", "render", "postfix-hub", "--with", "unchrooted")


def test_the_password_of_a_role_stays_with_its_role_and_database(stage: Admin, tmp_path: Path) -> None:
    """It stands in smtpd.conf alone, which whoever applies again without it must not lose."""
    password = tmp_path / "password"
    password.write_text("P0lka-role\n")
    password.chmod(0o600)
    configure(stage, '[sasl]\ndatabase = "postgresql://db.polkatistas.org/mail"\n')
    stage("mta", "apply", "postfix-hub", "--role", "reader", "--role-password", f"file:{password}")
    conf = stage.root / "etc/postfix/sasl/smtpd.conf"
    written = conf.read_text()
    assert "\nsql_user: reader\n" in written
    assert "\nsql_passwd: P0lka-role\n" in written

    stage("mta", "apply", "postfix-hub")
    assert conf.read_text() == written
    assert "sql_passwd: <secret>\n" in stage("mta", "render", "postfix-hub")
    assert stage("mta", "check", "postfix-hub", status=1).count("smtpd.conf") == 0
    password.write_text("other-P0lka\n")
    stage("mta", "apply", "postfix-hub", "--role-password", f"file:{password}")
    assert conf.read_text() == written.replace("P0lka-role", "other-P0lka")
    assert "sql_passwd" not in stage("mta", "render", "postfix-hub", "--role", "postfix")
    settings = stage.root / "etc/smtpcreds/smtpcreds.toml"
    settings.write_text(settings.read_text().replace("db.polkatistas", "elsewhere.polkatistas"))
    moved = stage("mta", "render", "postfix-hub")
    assert "sql_user: postfix\n" in moved
    assert "sql_passwd" not in moved


def test_one_name_for_the_hub_in_all_files(stage: Admin) -> None:
    shown = stage("mta", "render", *CLIENT, "--port", "465")
    assert f"relayhost = [{HUB}]:465\n" in shown
    assert f"\n[{HUB}]:465\tmaildroid:<secret>\n" in shown
    assert f"\n[{HUB}]:465\tsecure match={HUB}\n" in shown
    assert "smtp_tls_wrappermode = yes\n" in shown
