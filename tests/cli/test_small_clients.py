"""``smtpcreds mta`` for the small senders: what it says where something is missing, old, or of others."""

import json
import shutil
import stat
from pathlib import Path

import pytest
from admin import Admin, issued_hub

SMALL = ("opensmtpd-client", "msmtp", "nullmailer", "dma", "curl", "swaks")
HOST = ("--host", "attic")
OPTIONS = (*HOST, "--plaintext")


def options_of(name: str) -> tuple[str, ...]:
    """Return what a program is told; these two would do no other with PLAIN and LOGIN besides."""
    return HOST if name in {"msmtp", "dma"} else OPTIONS


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = issued_hub(tmp_path_factory.mktemp("small") / "root")
    (stage.root / "etc/passwd").write_text("root:x:0:0:::\nmail:x:8:8:::\n")
    (stage.root / "etc/group").write_text("root:x:0:\nmail:x:8:\nopensmtpd:x:122:\n")
    stage("sasl", "add", "maildroid")
    stage("cert", "issue", "attic")
    return stage.root


@pytest.fixture(scope="module")
def secret(template: Path) -> str:
    return Admin(template)("sasl", "show", "maildroid", "--reveal").strip()


@pytest.fixture
def stage(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def findings(stage: Admin, *words: str) -> list[str]:
    done = stage.run("--json", "mta", "check", *words)
    assert done.status in {0, 1}, done.err
    return [finding["what"] for finding in done.data["findings"]]


@pytest.mark.parametrize("name", SMALL)
def test_files_are_written_closed_and_then_found_right(stage: Admin, secret: str, name: str) -> None:
    done = stage.json("mta", "apply", name, *options_of(name))
    assert done["changed"]
    for include in done["include"]:
        path = Path(include["file"])
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in include["lines"]))
    holders = [
        path
        for path in (stage.root / "etc").rglob("*")
        if path.is_file() and secret in path.read_text("latin-1")
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders if path.name != "sasldb2"} <= {0o600, 0o640}
    assert secret not in json.dumps(done)
    assert findings(stage, name, *options_of(name)) == []
    assert bool(done["usage"]) == (name in {"msmtp", "curl", "swaks"})


@pytest.mark.parametrize("name", ["opensmtpd-client", "swaks"])
def test_a_host_without_database_takes_what_is_installed(stage: Admin, name: str) -> None:
    """Also where the file belongs to a group."""
    stage("mta", "apply", name, *options_of(name))
    (stage.root / "etc/sasldb2").unlink()
    assert not stage.json("mta", "apply", name, *options_of(name))["changed"]
    assert "on the hub: smtpcreds sasl add tuba" in stage(
        "mta", "apply", name, *options_of(name), "--account", "tuba", status=67
    )


@pytest.mark.parametrize("name", ["nullmailer", "opensmtpd-client"])
def test_who_knows_plain_and_login_only_says_what_to_offer(stage: Admin, name: str) -> None:
    told = stage("mta", "apply", name, "--host", "attic", status=64)
    assert f"{name}: supports only the mechanisms PLAIN, LOGIN" in told
    assert "give --plaintext, also to the program of the hub" in told


@pytest.mark.parametrize(
    ("name", "path"), [("msmtp", "etc/msmtprc"), ("nullmailer", "etc/nullmailer/remotes")]
)
def test_a_configuration_of_the_administrator_is_left_alone(stage: Admin, name: str, path: str) -> None:
    theirs = stage.root / path
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("mail.example.org smtp pass=mine\n")
    assert "was not written by smtpcreds" in stage("mta", "apply", name, *options_of(name), status=73)
    assert "mine" not in stage("mta", "diff", name, *options_of(name), status=1)
    assert theirs.read_text() == "mail.example.org smtp pass=mine\n"
    stage("mta", "apply", name, *options_of(name), "--force")
    assert "mail.example.org" not in theirs.read_text()


def test_dma_is_told_of_each_new_certificate_of_the_hub(stage: Admin) -> None:
    conf = stage.root / "etc/dma/dma.conf"
    lines = stage.json("mta", "apply", "dma", *HOST)["include"][0]["lines"]
    conf.write_text("# as installed\n" + "".join(f"{line}\n" for line in lines))
    assert findings(stage, "dma", *HOST) == []
    stage("cert", "renew", "dmzmail")
    found = findings(stage, "dma", *HOST)
    assert "lacks a line" in found
    assert any(
        f"no longer wanted: {line}" in what for what in found for line in lines if "FINGERPRINT" in line
    )


def test_dma_conf_is_searched_for_lines_that_undo_ours(stage: Admin) -> None:
    conf = stage.root / "etc/dma/dma.conf"
    lines = stage.json("mta", "apply", "dma", *HOST)["include"][0]["lines"]
    ours = "".join(f"{line}\n" for line in lines)
    conf.write_text("SMARTHOST old.example.org\nPORT 2525\n" + ours)
    assert findings(stage, "dma", *HOST) == []
    conf.write_text(ours + "SMARTHOST\tevil.example.org\nOPPORTUNISTIC_TLS\n")
    assert findings(stage, "dma", *HOST) == [
        "lacks a line",
        "has OPPORTUNISTIC_TLS, which makes dma send the mail without TLS",
    ]
    conf.write_text(ours)
    assert "has STARTTLS, which port 465 does not know" in findings(stage, "dma", *HOST, "--port", "465")


def test_dma_needs_a_fingerprint(stage: Admin) -> None:
    shutil.rmtree(stage.root / "var/lib/smtpcreds")
    told = stage("mta", "apply", "dma", *HOST, status=66)
    assert "--fingerprint HEX" in told
    done = stage.json("mta", "apply", "dma", *HOST, "--fingerprint", ":".join(["5E"] * 32))
    assert f"FINGERPRINT {'5E' * 32}" in done["include"][0]["lines"]


def test_copies_of_certificates_are_outdated_by_a_renewal(stage: Admin) -> None:
    stage("mta", "apply", "msmtp", *HOST)
    stage("cert", "renew", "attic")
    assert [what.partition(" once")[0] for what in findings(stage, "msmtp", *HOST)] == [
        "is as smtpcreds wrote it"
    ]
    stage("mta", "apply", "msmtp", *HOST)
    certificate = stage.root / "etc/mail/certs/attic-cert.pem"
    assert (stage.root / "etc/ssl/smtpcreds/cert.pem").read_bytes() == certificate.read_bytes()


def test_smtpd_conf_takes_ours_before_its_own_match(stage: Admin) -> None:
    conf = stage.root / "etc/smtpd.conf"
    line = stage.json("mta", "apply", "opensmtpd-client", *OPTIONS)["include"][0]["lines"][0]
    match = 'match from local for any action "relay"'
    conf.write_text(f"{match}\n{line}\n")
    assert findings(stage, "opensmtpd-client", *OPTIONS) == ["lacks a line"]
    conf.write_text(f"{line}\n{match}\n")
    assert findings(stage, "opensmtpd-client", *OPTIONS) == []
