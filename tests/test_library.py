"""The package as a library: the README's first lines, every public name, every verb, a hub's life."""

import ast
import doctest
import importlib
import inspect
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import click
import pytest

import smtpcreds
from smtpcreds import errors
from smtpcreds.cli.tree import smtpcreds as program
from smtpcreds.errors import DeniedError
from smtpcreds.library import accounts, ca, certificates, mta, site, tlsa

TOP = Path(__file__).parent.parent
MODULES = [
    "smtpcreds",
    "smtpcreds.memory",
    *(f"smtpcreds.library.{name}" for name in ("accounts", "mta", "site", "tlsa")),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    done = doctest.testmod(importlib.import_module(name))
    assert done.attempted
    assert not done.failed


def test_every_public_name_is_there_and_described() -> None:
    for name in smtpcreds.__all__:
        found = getattr(smtpcreds, name)
        assert name.startswith("__") or found.__doc__, name
    with pytest.raises(AttributeError):
        _ = smtpcreds.nothing


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, smtpcreds; print(*sorted(m for m in sys.modules if m.split('.')[0] in {heavy}))"
    heavy = {"cryptography", "click", "passlib", "keyring", "sqlite3", "dataclasses"}
    run = [sys.executable, "-c", code.format(heavy=heavy)]
    assert subprocess.run(run, check=True, capture_output=True, text=True, cwd=TOP).stdout.strip() == ""


def test_accounts_are_served_without_cryptography() -> None:
    code = (
        "import sys, smtpcreds; smtpcreds.Site.load('/nonexistent').accounts.names();"
        "print(*(m for m in ('cryptography', 'click', 'sqlite3') if m in sys.modules))"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, check=True, capture_output=True, text=True, cwd=TOP).stdout.strip() == ""


def test_it_is_typed() -> None:
    assert (TOP / "smtpcreds/py.typed").exists()


def test_an_authority_in_memory_revokes() -> None:
    ca = smtpcreds.CA.create("example.org")
    pair = ca.issue("attic.example.org")
    assert b"X509 CRL" in ca.crl_pem([pair])
    with pytest.raises(smtpcreds.SmtpcredsError):
        ca.issue("attic.example.com")


# The README: its first lines run, and its table has every verb of the command line.

SECTION = (TOP / "README.md").read_text().split("\n## The library\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| `([^`]+)` \| `(\w[\w.]*)\((.*)\)` \|$", SECTION, re.MULTILINE)
HOMES: dict[str, type] = {
    "site": site.Site,
    "site.accounts": accounts.AccountReader,
    "site.ca": ca.AuthorityReader,
    "site.certificates": certificates.CertificateReader,
    "site.mta": mta.MailProgramReader,
    "site.tlsa": tlsa.TlsaReader,
    "work": site.Transaction,
    "work.accounts": accounts.AccountDatabase,
    "work.ca": ca.Authority,
    "work.certificates": certificates.Certificates,
    "work.mta": mta.MailPrograms,
    "work.tlsa": tlsa.Tlsa,
}


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every verb, as it is typed."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from verbs(found, (*path, name))


VERBS = dict(verbs(program))


def test_the_first_lines_of_the_readme_run(tmp_path: Path) -> None:
    block = "".join(re.findall(r"^    (.*\n)", SECTION.split("| verb")[0], re.MULTILINE))
    exec(compile(ast.parse(block.replace('root="/"', f"root={str(tmp_path)!r}")), "README", "exec"), {})
    assert (tmp_path / "etc/mail/certs/dmzmail-cert.pem").exists()


def test_every_verb_has_its_row() -> None:
    assert len(VERBS) > 40
    assert {verb.partition(" --")[0] for verb, _, _ in ROWS} == set(VERBS)
    assert len(ROWS) == SECTION.count("\n| `")


@pytest.mark.parametrize("verb", [verb for verb, _, _ in ROWS if " --" in verb])
def test_an_option_in_the_table_is_one_of_its_verb(verb: str) -> None:
    name, _, option = verb.partition(" --")
    assert f"--{option}" in [known for parameter in VERBS[name].params for known in parameter.opts]


@pytest.mark.parametrize(("verb", "method", "words"), ROWS, ids=[verb for verb, _, _ in ROWS])
def test_each_verb_is_a_method_that_takes_what_the_table_says(verb: str, method: str, words: str) -> None:
    owner, _, name = method.rpartition(".")
    found = getattr(HOMES[owner], name)
    assert inspect.getdoc(found), verb
    signature = inspect.signature(found)
    given = [parameter for key, parameter in signature.parameters.items() if key != "self"]
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in given)
    assert signature.return_annotation is not inspect.Signature.empty
    call = ast.parse(f"f({words})", mode="eval").body
    assert isinstance(call, ast.Call)
    signature.bind(None, *call.args, **{str(word.arg): word.value for word in call.keywords})


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_every_method_of_a_noun_is_described_and_a_row_names_it(home: type) -> None:
    named = {method.rpartition(".")[2] for _, method, _ in ROWS}
    others = {"load", "transaction", "database", "head"}
    for name, found in inspect.getmembers(home, inspect.isroutine):
        if not name.startswith("_"):
            assert inspect.getdoc(found), name
            assert name in named | others, name


def test_a_client_host_is_let_in_and_fetches(tmp_path: Path) -> None:
    with a_site(tmp_path).transaction() as work:
        work.ca.create()
        work.accounts.add("maildroid")
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILPjFycCfsVBRE9A1EGh343G3fZOc4IRUr1E7/W8NQ/K"
        done = work.authorize("attic", key, "sudo -n smtpcreds")
        name = "attic.polkatistas.org"
        assert done.line == f'restrict,command="sudo -n smtpcreds bundle {name} --serve" {key} {name}'
        archive = work.serve("attic")
        assert archive
        assert work.serve("attic", sha256(archive).hexdigest()) == b""
        with pytest.raises(DeniedError):
            work.serve("tuba")


# A hub's life.

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
DAY = timedelta(days=1)
SETTINGS = 'domain = "polkatistas.org"\nhub = "dmzmail.polkatistas.org"\n'


def a_site(root: Path, *, after: timedelta = timedelta(0)) -> smtpcreds.Site:
    """The hub below a directory, at a time."""
    settings = root / "etc/smtpcreds/smtpcreds.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS)
    return smtpcreds.Site.load(root, clock=lambda: NOW + after)


@pytest.fixture
def hub(tmp_path: Path) -> smtpcreds.Site:
    """An authority, the hub's certificate, an account."""
    made = a_site(tmp_path / "hub")
    with made.transaction() as work:
        work.ca.create()
        work.ca.issue("dmzmail")
        work.accounts.add("maildroid")
    return made


def test_a_preview_foresees_what_is_written(tmp_path: Path) -> None:
    made = a_site(tmp_path)
    with made.transaction(preview=True) as work:
        work.ca.create()
        work.ca.issue("dmzmail")
        work.accounts.add("maildroid")
    foreseen = {(change.action, change.target) for change in work.changes if change.action == "write"}
    assert not (tmp_path / "var").exists()
    with made.transaction() as work:
        work.ca.create()
        issued = work.ca.issue("dmzmail")
        account = work.accounts.add("maildroid")
        text = work.accounts.auth_info("maildroid")
    assert {(change.action, change.target) for change in work.changes if change.action == "write"} == foreseen
    assert issued[0].order.host == "dmzmail.polkatistas.org"
    assert text.startswith(b"maildroid\nmaildroid\n")
    assert made.accounts.names() == [str(account)]


def test_certificates_are_issued_renewed_revoked_and_exported(hub: smtpcreds.Site) -> None:
    with hub.transaction() as work:
        first = work.ca.issue("attic", profile="client")[0]
        assert work.ca.renew("dmzmail", add_names=["mail.polkatistas.org"]).outcomes
        assert work.ca.revoke("attic", "keyCompromise").certificates[0].serial == first.serial
        assert work.ca.issue("attic", profile="client", force=True)
        assert work.certificates.export("dmzmail", "p12", password=smtpcreds.Secret("Vollmond-9-Kirsche"))
        assert work.ca.crl(days=7).crl.count == 1
    shown = hub.certificates.show("dmzmail")[0]
    assert "mail.polkatistas.org" in shown.description.dns_names
    assert all(check.ok for check in hub.certificates.verify("dmzmail"))
    assert {row.host.partition(".")[0] for row in hub.certificates.listing()} == {"attic", "dmzmail"}
    assert hub.ca.show().signing.found.title
    assert hub.ca.crl_is_current()
    assert hub.ca.export().startswith(b"-----BEGIN CERTIFICATE-----")
    assert [event.what for event in hub.events(limit=2)]
    assert hub.check_inventory(hub.head().hash) == []
    assert "has no event with the hash" in hub.check_inventory("c0" * 32)[0].message


def test_another_host_brings_a_request_and_leaves(hub: smtpcreds.Site, tmp_path: Path) -> None:
    other = a_site(tmp_path / "other")
    with other.transaction() as there:
        csr = tmp_path / "attic.csr"
        csr.write_bytes(there.certificates.request("attic").pem)
    with hub.transaction() as work:
        answer = tmp_path / "attic.pem"
        assert work.ca.sign(csr, target=answer).pem == answer.read_bytes()
        (tmp_path / "cacert.pem").write_bytes(work.ca.export())
    with other.transaction() as there:
        installed = there.certificates.install(answer, more=[tmp_path / "cacert.pem"], profile="client")
    assert installed.answer.host == "attic.polkatistas.org"
    with hub.transaction() as work:
        assert work.ca.retire("attic").host == "attic.polkatistas.org"


def test_an_authority_is_replaced(hub: smtpcreds.Site, tmp_path: Path) -> None:
    with hub.transaction() as work:
        assert work.ca.change_passphrase(smtpcreds.Secret("Sieben alte Krähen"))
    with hub.transaction(passphrase=smtpcreds.Secret("Sieben alte Krähen")) as work:
        assert work.ca.export_key(tmp_path / "backup.pem").encrypted
        work.ca.roll_over()
        with pytest.raises(errors.DeniedError):
            work.ca.retire_old()
        assert len(work.ca.renew_old().outcomes) == 1
        assert work.ca.retire_old().names
        assert work.ca.renew_due().outcomes == []


def test_an_authority_of_another_program_is_taken_over(tmp_path: Path) -> None:
    theirs = smtpcreds.CA.create("polkatistas.org", name="Old Mail CA")
    (tmp_path / "ca.pem").write_bytes(theirs.certificate_pem)
    (tmp_path / "ca.key").write_bytes(theirs.key_pem())
    (tmp_path / "ca.key").chmod(0o600)
    made = smtpcreds.Site.load(tmp_path / "hub")
    with made.transaction() as work:
        work.ca.adopt(key=tmp_path / "ca.key", certificate=tmp_path / "ca.pem")
        assert work.ca.issue("dmzmail.polkatistas.org")
    assert made.ca.show().signing.found.title == "Old Mail CA"


def test_accounts_are_rotated_retired_imported_and_exported(hub: smtpcreds.Site, tmp_path: Path) -> None:
    with hub.transaction() as work:
        row = work.accounts.rotate("maildroid", clients=["attic"])
        assert str(row.successor) == "maildroid-2@dmzmail.polkatistas.org"
        assert hub.accounts.names() == [str(row.account), str(row.successor)]
        assert [str(half.account) for half in work.accounts.rotations()] == [str(row.account)]
        work.accounts.retire("maildroid", after=NOW + DAY)
    with a_site(tmp_path / "hub", after=2 * DAY).transaction() as work:
        assert [ended.account for ended in work.accounts.retire_due()] == [row.account]  # type: ignore[union-attr]
        work.accounts.rotate("maildroid-2")
        work.accounts.abandon("maildroid-2")
        work.accounts.rotate("maildroid-2")
        assert work.accounts.retire("maildroid-2").ended
        (tmp_path / "all.csv").write_text(work.accounts.export(reveal=True))
        (tmp_path / "all.csv").chmod(0o600)
        work.accounts.delete("maildroid-3")
        assert work.accounts.import_file(str(tmp_path / "all.csv")).added
        copied = work.accounts.convert(str(tmp_path / "copy.db"), "lmdb")
        assert work.database(copied.target).names() == work.accounts.names()
    assert hub.database(copied.target).names() == ["maildroid-3@dmzmail.polkatistas.org"]


def test_a_file_for_client_hosts_follows_its_account(hub: smtpcreds.Site, tmp_path: Path) -> None:
    with hub.transaction() as work:
        successor = str(work.accounts.rotate("maildroid").successor)
        work.accounts.retire("maildroid")
        file = tmp_path / "hub/var/lib/smtpcreds/clients/maildroid-2/default-auth-info"
        work.accounts.set_secret(successor)
        assert hub.accounts.credential(successor).secret.reveal() in file.read_bytes()
        work.accounts.delete(successor)
        assert not file.exists()


def test_a_bad_file_imports_nothing_unless_the_rest_is_asked_for(hub: smtpcreds.Site, tmp_path: Path) -> None:
    source = tmp_path / "accounts.csv"
    source.write_text("user,password\nfine,Vollmond-9-Kirsche\nb:d,Vollmond-9-Kirsche\n")
    source.chmod(0o600)
    with hub.transaction() as work:
        with pytest.raises(errors.DataError, match="nothing was imported"):
            work.accounts.import_file(str(source), "csv")
        assert len(work.accounts.names()) == 1
        assert len(work.accounts.import_file(str(source), "csv", skip_bad=True).refused) == 1
        assert len(work.accounts.names()) == 2


def test_a_secret_is_verified_and_shown(hub: smtpcreds.Site, tmp_path: Path) -> None:
    chosen = smtpcreds.Secret("Vollmond-9-Kirsche")
    with hub.transaction() as work:
        work.accounts.set_secret("maildroid", chosen)
        assert all(verdict.records for verdict in work.accounts.verify("maildroid", chosen))
        assert work.accounts.write_auth_info("maildroid", tmp_path / "info")
    assert hub.accounts.credential("maildroid").secret == chosen
    assert chosen.reveal() in hub.accounts.auth_info("maildroid")
    assert "SCRAM-SHA-256" in hub.accounts.show("maildroid").mechanisms
    assert b"sasldb_path" in hub.accounts.conf("postfix", ["SCRAM-SHA-256"])


def test_a_hashed_secret_is_one_that_somebody_knows(hub: smtpcreds.Site) -> None:
    chosen = smtpcreds.Secret("Vollmond-9-Kirsche")
    with hub.transaction() as work:
        with pytest.raises(errors.UsageError, match="unknown to everybody"):
            work.accounts.add("printer", hashed=True)
        work.accounts.add("printer", chosen, hashed=True)
        with pytest.raises(errors.UsageError, match="unknown to everybody"):
            work.accounts.set_secret("printer")
        with pytest.raises(errors.PasswordRefusedError):
            work.accounts.auth_info("printer")
        assert chosen.reveal() in work.accounts.auth_info("printer", secret=chosen)


@pytest.mark.parametrize("secret", ["", "password"])
def test_a_chosen_secret_is_checked_as_on_the_command_line(hub: smtpcreds.Site, secret: str) -> None:
    with hub.transaction() as work:
        for change in (work.accounts.add, work.accounts.set_secret, work.accounts.rotate):
            name = "printer" if change == work.accounts.add else "maildroid"
            with pytest.raises(errors.PasswordRefusedError):
                change(name, smtpcreds.Secret(secret))
        assert len(work.accounts.names()) == 1


def test_files_of_mail_programs_are_written_and_checked(hub: smtpcreds.Site, tmp_path: Path) -> None:
    options = smtpcreds.RenderOptions(mechanisms=("SCRAM-SHA-256",))
    assert hub.mta.diff("sendmail-hub", options)
    with hub.transaction() as work:
        assert work.mta.apply("sendmail-hub", options).files
        assert work.mta.copy_to(tmp_path / "carried", "sendmail-hub", options)
    assert hub.mta.diff("sendmail-hub", options) == []
    files = {file.path for file in hub.mta.render("sendmail-hub", options)}
    assert all((tmp_path / f"carried{path}").exists() for path in files)
    assert not {finding.subject for finding in hub.mta.check("sendmail-hub", options)} & files
    with pytest.raises(errors.UsageError):
        hub.mta.render("qmail")


def test_a_client_host_is_made_from_a_bundle(hub: smtpcreds.Site, tmp_path: Path) -> None:
    with hub.transaction() as work:
        made = work.bundle("attic", tmp_path / "attic.tar", mta="msmtp")
    assert made.facts.credential
    client = smtpcreds.Site.load(tmp_path / "attic", clock=lambda: NOW)
    assert client.set_up_client(tmp_path / "attic.tar", preview=True).changed
    assert not (tmp_path / "attic").exists()
    assert client.set_up_client(tmp_path / "attic.tar", mta="msmtp").changed
    assert not client.set_up_client(tmp_path / "attic.tar").changed
    assert (tmp_path / "attic/etc/mail/certs/attic-cert.pem").exists()


def test_a_hub_is_set_up_in_one_go(tmp_path: Path) -> None:
    made = smtpcreds.Site.load(tmp_path)
    assert any(part.made for part in made.set_up("dmzmail.polkatistas.org", preview=True).parts)
    assert list(tmp_path.iterdir()) == []
    assert all(part.made for part in made.set_up("dmzmail.polkatistas.org").parts)
    again = smtpcreds.Site.load(tmp_path).set_up("dmzmail.polkatistas.org")
    assert not any(part.made for part in again.parts)


def test_a_new_key_is_published_before_it_is_used(hub: smtpcreds.Site, tmp_path: Path) -> None:
    with hub.transaction() as work:
        begun = work.tlsa.next_key("dmzmail", ttl=timedelta(hours=1))
        with pytest.raises(errors.TooEarlyError):
            work.tlsa.switch("dmzmail")
    half = hub.tlsa.plan("dmzmail")
    assert half
    assert half.ready_at == NOW + timedelta(hours=2)
    assert begun.new in " ".join(hub.tlsa.show("dmzmail").lines([25]))
    with a_site(tmp_path / "hub", after=DAY).transaction() as work:
        assert work.tlsa.switch("dmzmail").order.host == "dmzmail.polkatistas.org"
    with a_site(tmp_path / "hub", after=2 * DAY).transaction() as work:
        assert work.tlsa.retire("dmzmail").rollover is None
    assert hub.tlsa.texts()


def test_what_is_wrong_is_found_and_repaired(hub: smtpcreds.Site, tmp_path: Path) -> None:
    key = tmp_path / "hub/etc/mail/certs/dmzmail-key.pem"
    key.chmod(0o644)
    found = [finding for finding in hub.audit() if finding.subject == str(key)]
    assert found
    assert found[0].severity is smtpcreds.Severity.ERROR
    assert hub.fix(only=[found[0].code]) == 1
    assert key.stat().st_mode & 0o777 == 0o600
    assert hub.status().hub == "dmzmail.polkatistas.org"


def test_a_server_that_is_not_there_is_a_step_that_failed(hub: smtpcreds.Site) -> None:
    with socket.socket() as taken:  # by us, who do not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        steps = hub.probe(f"smtp://127.0.0.1:{port}", account="maildroid", name="dmzmail", timeout=60)
    failed = [step for step in steps if step.finding]
    assert [step.outcome for step in failed] == ["failed"]
    assert "refused" in failed[0].detail
    for wrong in ({"url": "dmzmail"}, {"url": "smtp://dmzmail", "secret": smtpcreds.Secret("x")}):
        with pytest.raises(smtpcreds.SmtpcredsError):
            hub.probe(**wrong)


def test_a_verb_that_refuses_says_which_kind_of_error_it_is(tmp_path: Path) -> None:
    made = smtpcreds.Site.load(tmp_path)
    with pytest.raises(errors.MissingInputError) as caught, made.transaction() as work:
        work.ca.issue("dmzmail.polkatistas.org")
    assert caught.value.exit_status == 66
    assert (caught.value.hint or "").startswith("smtpcreds ca init; or, ")
    with pytest.raises(errors.MissingInputError):
        smtpcreds.Site.load(tmp_path, config_file=tmp_path / "nothing.toml")


def test_a_backup_comes_back_elsewhere(hub: smtpcreds.Site, tmp_path: Path) -> None:
    secret, path = smtpcreds.Secret(b"Ch1mp? ,03fuzz fl0ppi"), tmp_path / "saved.age"
    with hub.transaction() as work:
        made = work.ca.backup(path, passphrase=secret)
        with pytest.raises(smtpcreds.SmtpcredsError, match="is needed, or recipients"):
            work.ca.backup(path)
    assert hub.check_backup(path, passphrase=secret).head == made.head
    elsewhere = smtpcreds.Site.load(root=tmp_path / "elsewhere")
    assert elsewhere.restore(path, passphrase=secret).aside == ""
    again = smtpcreds.Site.load(root=tmp_path / "elsewhere")
    assert again.head() == made.head
    assert again.check_inventory() == []
