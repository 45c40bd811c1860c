"""Each verb that changes what a mail server was told names the ``mta apply`` that tells it."""

from pathlib import Path

import pytest
from admin import CONFIG, Admin, issued_hub

from smtpcreds import Site

from .writing import CASES, SSH_KEY, Case, prepared

HUBS = ("sendmail-hub", "postfix-hub", "exim-hub")
USERS = "Debian-exim:x:126:126::/nonexistent:/usr/sbin/nologin\npostfix:x:122:122::/:/usr/sbin/nologin\n"
GROUPS = "Debian-exim:x:126:\npostfix:x:122:\n"

MORE = [
    Case("cert issue guitar --force"),
    Case("cert issue dmzmail tuba --force"),
    Case("cert issue dmzmail --force"),
    Case("cert renew guitar --new-key"),
    Case("cert renew guitar"),
    Case("cert renew --old-authority", ("ca rollover",)),
    Case("cert revoke guitar"),
    Case("cert retire guitar"),
    Case("bundle guitar -o {here}/guitar.tar"),
    Case("bundle guitar -o {here}/guitar.tar --new-key"),
    Case("bundle tuba -o {here}/tuba.tar --csr {certs}/tuba.csr", ("cert request tuba",)),
    Case("tlsa switch dmzmail --force", ("tlsa next dmzmail",)),
]
"""Beside those of all writing verbs: changes of the key of a host that relays already."""

NOUNS = ("ca c", "ca r", "cert ", "bundle ", "tlsa ")
ALL = [
    case
    for case in (*MORE, *CASES)
    if case.scene == "hub" and case.words.startswith(NOUNS) and "--serve" not in case.words
]
"""A client host that fetches its bundle is not told: the next run on the hub says it."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = issued_hub(tmp_path_factory.mktemp("due") / "root")
    hub("sasl", "add", "maildroid")
    hub("cert", "issue", "guitar")
    hub.write("/etc/passwd", USERS, 0o644)
    hub.write("/etc/group", GROUPS, 0o644)
    for program in HUBS:
        hub("mta", "apply", program, "--relay-certificates")
    assert not due(hub)
    return hub.root


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def due(hub: Admin) -> set[str]:
    """Return the programs whose files the audit would write anew."""
    found = hub.run("--json", "audit", "--only", "MTA009").data["findings"]
    return {program for one in found for program in HUBS if f"mta apply {program}" in one["cure"]}


def named(commands: list[str]) -> set[str]:
    """Return the programs that commands apply."""
    return {words[3] for words in map(str.split, commands) if words[1:3] == ["mta", "apply"]}


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.words.replace("/", "_"))
def test_what_is_due_after_it_is_named(hub: Admin, case: Case) -> None:
    told = hub.run(*prepared(hub, case)).out
    steps = [line.removeprefix("next: ") for line in told.splitlines() if line.startswith("next: ")]
    assert named(steps) == due(hub)


@pytest.mark.parametrize("words", ["cert issue guitar --force", "cert renew guitar --new-key"])
def test_another_key_of_a_host_that_relays_is_due_everywhere(hub: Admin, words: str) -> None:
    answer = hub.json(*words.split())
    assert named(answer["apply"]) == due(hub) == set(HUBS)
    for command in answer["apply"]:
        hub(*command.split()[1:])
    assert "apply" not in hub.json("cert", "renew", "--due")
    assert not due(hub)


def test_check_and_audit_name_what_next_names(hub: Admin) -> None:
    """With --run once the lines are there that it needs; under another root nothing is run."""
    site = Site.load(root=hub.root)

    def told() -> set[str]:
        wrong = [f for f in site.mta.check("postfix-hub") if f.message.startswith("is as smtpcreds wrote it")]
        wrong += [f for f in site.audit(only=["MTA009"]) if "postfix-hub" in f.cure]
        return {f.cure.removeprefix("smtpcreds mta diff postfix-hub; ") for f in wrong}

    hub("cert", "issue", "guitar", "--force")
    assert told() == {"smtpcreds mta apply postfix-hub"}
    hub.write("/etc/postfix/main.cf", "compatibility_level = 3.6\n", 0o644)
    hub("mta", "apply", "postfix-hub", "--edit")
    assert told() == set()
    ran = hub.run("cert", "issue", "guitar", "--force")
    assert told() == {"smtpcreds mta apply postfix-hub --run"}
    assert "mta apply postfix-hub\n" in ran.out


def test_a_host_that_never_had_a_certificate_is_told_of(hub: Admin) -> None:
    """Sendmail's map names hosts by their certificates, so it can't be made."""
    hub("mta", "apply", "sendmail-hub", "--defaults")
    hub.configure(f'{CONFIG}[mta]\nrelay_hosts = ["attic"]\n')
    told = hub("cert", "issue", "guitar", "--force").out
    check = next(line for line in told.splitlines() if "mta check sendmail-hub" in line)
    said = hub.run(*check.strip().removeprefix("next: ").removeprefix("smtpcreds ").split()).err
    assert "attic.polkatistas.org: has no certificate to relay by" in said


def test_a_bundle_that_was_fetched_is_told_of_by_the_next_run(hub: Admin) -> None:
    hub.write("key.pub", SSH_KEY, 0o644)
    hub("bundle", "attic", "--authorize", hub.directory / "key.pub")
    hub("bundle", "attic", "--serve")
    assert named(hub.json("cert", "renew", "--due")["apply"]) == due(hub) == {"postfix-hub", "exim-hub"}


def test_the_next_step_names_the_mail_server_of_this_host(hub: Admin, tmp_path: Path) -> None:
    """By what is installed, though a removed one left its configuration; later by what was applied."""
    new, reload = issued_hub(tmp_path / "new"), "next: let the mail server read it: "
    conf = {
        "sendmail": "/etc/mail/sendmail.cf",
        "postfix": "/etc/postfix/main.cf",
        "exim": "/etc/exim4/update-exim4.conf.conf",
    }

    def step(admin: Admin, *words: str) -> str:
        found = [line for line in admin(*words).out.splitlines() if line.startswith("next: ")]
        assert len(found) == 1, found
        return found[0]

    issue = ("cert", "issue", "dmzmail", "--force")
    unknown = step(new, *issue)
    assert unknown.startswith("next: smtpcreds mta list  ")
    assert "postfix-hub" in new("mta", "list").out
    assert "; Sendmail: " in step(new, "cert", "renew", "dmzmail")
    for program, path in conf.items():
        new.write(path, "", 0o644)
        assert step(new, *issue) == f"next: smtpcreds mta apply {program}-hub --edit"
        assert step(new, "cert", "renew", "dmzmail").endswith(f" {'exim4' if program == 'exim' else program}")
        new.path(path).unlink()
    for path in conf.values():
        new.write(path, "", 0o644)
    assert new(*issue).out.count("next: smtpcreds mta apply ") == 3, "it can be each"
    new.write("/usr/sbin/postfix", "", 0o755)
    assert step(new, *issue) == "next: smtpcreds mta apply postfix-hub --edit"

    for program in ("exim", "postfix", "sendmail"):
        hub.write(conf[program], "", 0o644)
    assert all(f" {name}" in hub("cert", "renew", "dmzmail").out for name in ("sendmail", "postfix", "exim4"))
    hub.path(conf["postfix"]).unlink()
    hub.path(conf["sendmail"]).unlink()
    told = hub(*issue).out
    assert f"{reload}chroot {hub.root} systemctl try-reload-or-restart exim4\n" in told
    assert "mta render" not in told


def test_what_was_applied_nowhere_is_not_named(tmp_path: Path) -> None:
    hub = issued_hub(tmp_path / "root")
    assert "mta apply" not in hub("cert", "issue", "dmzmail", "--force").out
