"""``smtpcreds mta``: nothing of others is replaced, no secret is shown, the answer is in the exit status."""

import os
import shutil
import stat
from pathlib import Path

import pytest
from admin import HUB, Admin, issued_hub

from smtpcreds.mta.programs import PROGRAMS

CLIENT = ("sendmail-client", "--host", "attic")
MAP = "--authinfo-map"
FRAGMENT = "etc/mail/smtpcreds/hub.m4"
AUTH_INFO = "etc/mail/default-auth-info"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("mta") / "root")
    stage("sasl", "add", "maildroid")
    stage("cert", "issue", "attic")
    return stage.root


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def secret(stage: Admin) -> str:
    return stage("sasl", "show", "maildroid", "--reveal").strip()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_list_names_every_program(stage: Admin) -> None:
    programs = [program["name"] for program in stage.json("mta", "list")["programs"]]
    assert programs == list(PROGRAMS)
    assert all(name in stage("mta", "list") for name in programs)


@pytest.mark.parametrize("variant", [(), (MAP,)])
def test_secrets_are_shown_on_request_only(stage: Admin, variant: tuple[str, ...]) -> None:
    hidden = secret(stage)
    for words in (("mta", "render", *CLIENT, *variant), ("--json", "mta", "render", *CLIENT, *variant)):
        shown = stage(*words)
        assert "<secret>" in shown
        assert hidden not in shown
    revealed = stage("mta", "render", *CLIENT, *variant, "--reveal")
    assert "<secret>" not in revealed
    assert variant or hidden in revealed
    stage("--json", "mta", "render", *CLIENT, "--reveal", status=64)


def test_render_writes_a_tree_for_another_host(stage: Admin, tmp_path: Path) -> None:
    attic = tmp_path / "attic"
    stage("mta", "render", *CLIENT, "--to", attic)
    assert secret(stage) in (attic / AUTH_INFO).read_text().splitlines()
    assert mode(attic / AUTH_INFO) == 0o600
    assert "attic-cert.pem" in (attic / "etc/mail/smtpcreds/client.m4").read_text()
    (attic / AUTH_INFO).write_text("mine\n")
    assert "was not written by smtpcreds" in stage("mta", "render", *CLIENT, "--to", attic, status=73)
    stage("mta", "render", *CLIENT, "--to", attic, "--force")
    assert (attic / AUTH_INFO).read_text() != "mine\n"
    assert str(attic) not in (attic / "etc/mail/smtpcreds/client.m4").read_text()


def test_apply_is_planned_done_once_and_then_left_alone(stage: Admin) -> None:
    plan = stage.json("-n", "mta", "apply", "sendmail-hub")["plan"]
    files = [step["target"] for step in plan if step["action"] == "write"]
    assert [path.removeprefix(f"{stage.root}/") for path in files] == [
        "etc/sasl2/Sendmail.conf",
        FRAGMENT,
    ]
    assert not (stage.root / FRAGMENT).exists()
    done = stage.json("mta", "apply", "sendmail-hub")
    assert done["changed"]
    assert done["include"][0]["lines"] == ["include(`/etc/mail/smtpcreds/hub.m4')dnl"]
    before = (stage.root / FRAGMENT).stat()
    assert not stage.json("mta", "apply", "sendmail-hub")["changed"]
    after = (stage.root / FRAGMENT).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert stage.json("-n", "mta", "apply", "sendmail-hub")["plan"] == []
    assert stage("mta", "diff", "sendmail-hub") == ""


def test_what_smtpcreds_wrote_is_replaced_and_what_was_edited_is_not(stage: Admin) -> None:
    stage("mta", "apply", "sendmail-hub")
    stage("mta", "apply", "sendmail-hub", "--plaintext")
    fragment = stage.root / FRAGMENT
    assert "PLAIN LOGIN" in fragment.read_text()

    edited = fragment.read_text() + "define(`confMINE', `yes')dnl\n"
    fragment.write_text(edited)
    assert "was edited since smtpcreds wrote it" in stage("mta", "apply", "sendmail-hub", status=73)
    assert fragment.read_text() == edited
    shown = stage("mta", "diff", "sendmail-hub", "--plaintext", status=1)
    assert "-define(`confMINE', `yes')dnl" in shown.splitlines()
    assert "differs in confMINE" in stage("mta", "check", "sendmail-hub", "--plaintext", status=1)
    stage("mta", "apply", "sendmail-hub", "--plaintext", "--force")
    assert "confMINE" not in fragment.read_text()


def test_a_file_of_somebody_else_is_left_alone(stage: Admin) -> None:
    conf = stage.root / "etc/sasl2/Sendmail.conf"
    conf.parent.mkdir()
    conf.write_text("pwcheck_method: saslauthd\n")
    assert "was not written by smtpcreds" in stage("mta", "apply", "sendmail-hub", status=73)
    assert not (stage.root / FRAGMENT).exists()
    assert "differs in pwcheck_method" in stage("mta", "check", "sendmail-hub", status=1)
    stage("mta", "apply", "sendmail-hub", "--force")
    assert "auxprop" in conf.read_text()


def test_the_same_file_from_elsewhere_is_adopted(stage: Admin) -> None:
    stage("sasl", "auth-info", "maildroid", "--to", stage.root / AUTH_INFO)
    assert str(stage.root / AUTH_INFO) in stage("mta", "apply", *CLIENT)
    stage("sasl", "passwd", "maildroid")
    stage("mta", "apply", *CLIENT)
    assert secret(stage) in (stage.root / AUTH_INFO).read_text()


def test_diff_hides_lines_that_are_not_ours_in_files_with_secrets(stage: Admin) -> None:
    stage("mta", "apply", *CLIENT)
    (stage.root / AUTH_INFO).write_text(f"maildroid\nmaildroid\nold,secret\n{HUB}\n")
    shown = stage("mta", "diff", *CLIENT, status=1)
    assert [line for line in shown.splitlines() if line[:1] in "+-"][2:] == ["-<not shown>", "+<secret>"]
    told = ""
    for words in (("-v", "mta", "check", *CLIENT), ("--json", "mta", "diff", *CLIENT)):
        told += stage(*words, status=1)
    assert "differs in secret" in told
    assert "old,secret" not in told
    assert secret(stage) not in told


def test_files_that_became_readable_are_reported_and_closed(stage: Admin) -> None:
    stage("mta", "apply", *CLIENT, MAP)
    files = [stage.root / name for name in ("etc/mail/authinfo", "etc/mail/authinfo.db")]
    for path in files:
        path.chmod(0o644)
    shown = stage("mta", "diff", *CLIENT, MAP, status=1)
    assert all(f"{path}: has mode 0644, more than 0600" in shown for path in files)
    stage("mta", "apply", *CLIENT, MAP)
    assert [mode(path) for path in files] == [0o600, 0o600]


def test_check_says_no_until_everything_is_in_place(stage: Admin) -> None:
    rules = ("--access", "Try_TLS:old.example.org NO")
    mail = stage.root / "etc/mail"
    stage("mta", "apply", "sendmail-hub", *rules)
    assert "lacks a line" in stage("mta", "check", "sendmail-hub", *rules, status=1)
    include = "include(`/etc/mail/smtpcreds/hub.m4')dnl\n"
    (mail / "sendmail.mc").write_text(f"MAILER(`smtp')dnl\n{include}")
    assert "sendmail.mc lacks a line" in stage("mta", "check", "sendmail-hub", *rules, status=1)
    (mail / "sendmail.mc").write_text(f"dnl {include}MAILER(`smtp')dnl\n")
    assert "sendmail.mc lacks a line" in stage("mta", "check", "sendmail-hub", *rules, status=1)
    (mail / "sendmail.mc").write_text(f"{include}MAILER(`smtp')dnl\n")
    (mail / "access").write_bytes((mail / "smtpcreds/access").read_bytes())
    found = [f["path"].rpartition("/")[2] for f in findings(stage, *rules)]
    assert found == ["sendmail.cf", "access.db"]

    (mail / "sendmail.cf").write_text(
        "O CACertPath=/etc/mail/certs\nO CACertFile=/etc/mail/certs/cacert.pem\n"
        "O CRLFile=/etc/mail/certs/crl.pem\n"
        + "".join(
            f"O {role}{kind}File=/etc/mail/certs/dmzmail-{kind.lower()}.pem\n"
            for role in ("Server", "Client")
            for kind in ("Cert", "Key")
        )
        + "O AuthMechanisms=SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5\nO AuthOptions=p y\n"
        + "Kaccess hash /etc/mail/access\n"
    )
    (mail / "access.db").write_bytes(b"")
    assert stage("mta", "check", "sendmail-hub", *rules).splitlines() == [
        f"ok   sendmail-hub on {HUB}",
        "as applied with: --access 'Try_TLS:old.example.org NO'",
    ]

    os.utime(mail / "sendmail.cf", (1, 1))
    assert {f["what"].split(" than")[0] for f in findings(stage, *rules)} == {"is older"}
    os.utime(mail / "sendmail.cf")
    told = stage("mta", "check", "sendmail-hub", "--defaults", status=1)
    assert "no longer wanted: Try_TLS:old.example.org" in told


def findings(stage: Admin, *options: str) -> list[dict[str, str]]:
    done = stage.run("--json", "mta", "check", "sendmail-hub", *options)
    assert done.status == 1
    found: list[dict[str, str]] = done.data["findings"]
    return found


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("apply", "qmail"), 64, "known: sendmail-hub, sendmail-client, "),
        (("apply", "sendmail-hub", MAP), 64, "authinfo-map: is not a choice of sendmail-hub"),
        (("apply", "sendmail-hub", "--run"), 64, "leave --run or --root out"),
        (("apply", "sendmail-hub", "--mechanism", "NTLM"), 64, "known: EXTERNAL, SCRAM-SHA-512"),
        (("apply", "sendmail-hub", "--relay-host", "tuba"), 66, "smtpcreds cert issue tuba.polkatistas.org"),
        (("apply", "sendmail-hub", "--access", "Connect:evil RELAY"), 64, "TAG one of CertIssuer"),
        (("apply", "sendmail-client", "--host", "tuba"), 66, "smtpcreds cert issue tuba.polkatistas.org"),
        (("apply", "sendmail-client", "--host", HUB), 64, "is the hub itself"),
        (("render", *CLIENT, "--account", "accordion"), 67, "smtpcreds sasl add accordion"),
        (("render", *CLIENT, "--password", "generate:"), 64, "it only makes new secrets"),
    ],
)
def test_what_can_not_be_done_names_the_way_out(
    stage: Admin, words: tuple[str, ...], status: int, told: str
) -> None:
    answer = stage("mta", *words, status=status)
    assert told in answer
    assert "Traceback" not in answer


def test_the_configuration_says_what_options_say(stage: Admin) -> None:
    with (stage.root / "etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write('[mta]\nplaintext = true\nrelay_hosts = ["attic"]\nauthinfo_map = true\n')
    shown = stage("mta", "render", "sendmail-hub")
    assert "CRAM-MD5 PLAIN LOGIN" in shown
    assert "CertSubject:/CN=attic.polkatistas.org\tRELAY" in shown
    assert "etc/mail/authinfo.db" in stage("mta", "render", *CLIENT)


def test_a_client_host_without_database_takes_what_is_installed(stage: Admin, tmp_path: Path) -> None:
    stage("sasl", "auth-info", "maildroid", "--to", tmp_path / "default-auth-info")
    (stage.root / "etc/sasldb2").unlink()
    stage("mta", "render", *CLIENT, status=67)
    shutil.copy(tmp_path / "default-auth-info", stage.root / AUTH_INFO)
    stage("mta", "apply", *CLIENT, MAP)
    (stage.root / AUTH_INFO).unlink()
    assert "<secret>" in stage("mta", "render", *CLIENT)


@pytest.mark.parametrize("number", [1, 3])
def test_a_killed_run_leaves_nothing_that_the_next_one_does_not_know(stage: Admin, number: int) -> None:
    assert stage.killed(f"renameat:signal=KILL:when={number}", "mta", "apply", *CLIENT)
    stage("mta", "apply", *CLIENT)
    assert stage("mta", "diff", *CLIENT) == ""
    assert [path.name for path in stage.root.rglob("*.smtpcreds-*")] == []
