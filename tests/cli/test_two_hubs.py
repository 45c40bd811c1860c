"""A client host of two hubs: each mail program belongs to the hub whose bundle brought it, and no other."""

import re
from pathlib import Path

import pytest
from admin import CERTS, CONFIG, HUB, SETTINGS, Admin

from .pulling import fetched
from .writing import SSH_KEY

HOST = "attic.polkatistas.org"
SECOND = "mx.bayou.example"
RENAMED = "mx.polkatistas.org"
OWN = f"{CERTS}/{SECOND}"
PROGRAM, FURTHER = "msmtp", "postfix-client"


@pytest.fixture(scope="session")
def second_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Admin(tmp_path_factory.mktemp("second") / "root")
    program.configure(f'domain = "bayou.example"\nhub = "{SECOND}"\n[sasl]\naccount = "postdroid"\n')
    program("ca", "init", "--no-name-constraints", "--no-passphrase")
    program("setup", SECOND)
    return program.root


@pytest.fixture
def second(second_tree: Path, tmp_path: Path) -> Admin:
    """Another hub, of another domain, with another account, at another port."""
    return Admin(second_tree).copy(tmp_path / "second")


@pytest.fixture
def attic(hub: Admin, tmp_path: Path) -> Admin:
    """A host with the first hub's bundle for msmtp, and a Postfix."""
    made = Admin(tmp_path / "attic")
    made.write("/etc/hostname", f"{HOST}\n", 0o644)
    made.write("/etc/postfix/main.cf", f"compatibility_level = 3.6\nmyhostname = {HOST}\n", 0o644)
    made.write("/etc/postfix/master.cf", "smtp unix - - y - - smtp\n", 0o644)
    made("setup", "--client", bundled(hub, PROGRAM))
    return made


def bundled(hub: Admin, program: str, *options: str) -> Path:
    path = hub.directory / f"{hub.root.name}-{program}.tar"
    hub("bundle", HOST, "--mta", program, "--new-key", *options, "-o", path, "--force")
    return path


def secret_of(hub: Admin, account: str) -> str:
    return hub("sasl", "show", account, "--reveal").out.strip()


def test_each_program_belongs_to_the_hub_whose_bundle_brought_it(
    attic: Admin, hub: Admin, second: Admin
) -> None:
    before = attic.path(SETTINGS).read_bytes(), attic.path("/etc/msmtprc").read_bytes()
    bundle = bundled(second, FURTHER, "--port", "587")
    ran = attic("setup", "--client", bundle, "--edit")
    assert "mta apply msmtp" not in ran
    assert f"{FURTHER}  {attic.path('/etc/postfix/smtpcreds/sasl_passwd')}" in ran.out
    assert (attic.path(SETTINGS).read_bytes(), attic.path("/etc/msmtprc").read_bytes()) == before
    said = attic.path("/etc/postfix/smtpcreds/sasl_passwd").read_text()
    assert f"[{SECOND}]:587\tpostdroid:{secret_of(second, 'postdroid')}" in said
    assert f"{OWN}/cacert.pem" in attic.path("/etc/postfix/main.cf").read_text()
    for name in ("cacert.pem", f"{HOST}-cert.pem"):
        own = attic.path(f"{OWN}/{name}").read_text()
        assert own.count("BEGIN") == 1, "the hubs vouch for nothing of each other"
    for program, hub_name in ((PROGRAM, ""), (FURTHER, f" --hub {SECOND}")):
        assert attic("mta", "check", program).out.splitlines() == [
            f"ok   {program} on {HOST}",
            f"as applied with: --host {HOST}{hub_name}",
        ]
        assert attic("mta", "diff", program).out == ""
        assert "(unchanged)" in attic("mta", "apply", program).out
    for server, account in ((SECOND, "maildroid"), (HUB, "postdroid")):
        said = attic.refuses(67, "probe", f"smtp://{server}", "--account", account)
        assert f"{account}@{server}: has no secret here" in said, "that of the other hub is not sent"
    assert attic("audit").out.startswith("nothing found")
    assert "nothing is due" in attic("status").out
    assert "nothing changed" in attic("setup", "--client", bundle).out
    second("sasl", "passwd", "postdroid")
    renewed = bundled(second, FURTHER, "--port", "587")
    attic("setup", "--client", renewed, "--force")
    assert secret_of(second, "postdroid") in attic.path("/etc/postfix/smtpcreds/sasl_passwd").read_text()
    attic("setup", "--client", bundled(hub, PROGRAM), "--force")
    assert attic("audit").out.startswith("nothing found")


def test_no_secret_goes_to_the_other_hub(attic: Admin, second: Admin) -> None:
    """Not where the configured hub is changed, and not by the option; but with the secret that is for it."""
    attic.configure(CONFIG.replace(HUB, SECOND).replace("polkatistas.org", "bayou.example"))
    assert "(unchanged)" in attic("mta", "apply", PROGRAM, "--host", HOST).out
    assert f"host {HUB}\n" in attic.path("/etc/msmtprc").read_text()
    said = attic.refuses(64, "mta", "apply", PROGRAM, "--hub", SECOND)
    assert f"--hub {SECOND}: the secret of {PROGRAM} is for {HUB}, whose bundle brought it" in said
    attic("mta", "apply", PROGRAM, "--hub", SECOND, "--password", attic.secret("other"))
    assert f"host {SECOND}\n" in attic.path("/etc/msmtprc").read_text()
    assert "(unchanged)" in attic("mta", "apply", PROGRAM, "--hub", SECOND).out


def test_a_program_of_the_hub_is_not_taken_by_another(attic: Admin, second: Admin) -> None:
    said = attic.refuses(64, "setup", "--client", bundled(second, PROGRAM))
    assert f"{attic.path(SETTINGS)}: has the hub {HUB}, and the bundle is of {SECOND}" in said


def test_a_host_fetches_from_one_hub(attic: Admin, second: Admin) -> None:
    second("bundle", HOST, "--mta", FURTHER, "--authorize", second.write("key.pub", SSH_KEY, 0o644))
    path = attic.write("fetched.tar", fetched(second, HOST))
    said = attic.refuses(64, "setup", "--client", path)
    assert f"fetches its bundles from {SECOND}, and a host fetches from one hub alone, which is {HUB}" in said


def test_what_a_hub_brought_under_its_former_name_is_said_and_goes(attic: Admin, hub: Admin) -> None:
    """It has another name now, and another authority; of two programs one was set up from it."""
    renamed = Admin(hub.root.with_name("renamed"))
    renamed("setup", RENAMED, "--no-passphrase")
    attic("setup", "--client", bundled(hub, FURTHER), "--force", "--edit")
    attic("mta", "apply", PROGRAM)
    attic.configure(CONFIG.replace(HUB, RENAMED))
    bundle = bundled(renamed, FURTHER)
    said = attic.refuses(73, "setup", "--client", bundle)
    assert f"{PROGRAM}: is of {HUB}, and its certificate would be replaced" in said
    attic("setup", "--client", bundle, "--force", "--edit")
    found = attic("audit", "--only", "MTA150").out
    assert (
        f"MTA150 note  {PROGRAM}: is of {HUB}, whose bundle brought it, and the hub here is {RENAMED}"
        in found
    )
    cure = (
        f"on {RENAMED}: smtpcreds bundle {HOST} --mta {PROGRAM} --new-key --force"
        "; then here: smtpcreds setup --client BUNDLE --force"
    )
    assert cure in found
    trusted = attic.path(f"{CERTS}/cacert.pem")
    assert trusted.read_text().count("BEGIN") == 2
    attic("setup", "--client", bundled(renamed, PROGRAM), "--force")
    assert trusted.read_text().count("BEGIN") == 1, "no program needs the former hub's authority"
    attic("mta", "apply", FURTHER)
    assert attic("audit").out.startswith("nothing found")


def test_a_key_that_is_another_is_shown_as_a_secret(attic: Admin) -> None:
    """It has many lines, which stand in the difference as one."""
    key = attic.path("/etc/ssl/smtpcreds/key.pem")
    key.write_text(attic.openssl("genpkey", "-algorithm", "ed25519"))
    lines = [line for line in attic("mta", "diff", PROGRAM, status=1).out.splitlines() if line[:1] in "+-"]
    assert set(lines[2:]) == {"-<not shown>", "+<secret>"}


def test_both_hubs_of_a_host_whose_configured_hub_was_changed(attic: Admin, second: Admin) -> None:
    attic.configure(f'domain = "polkatistas.org"\nhub = "{SECOND}"\n')
    found = attic("audit", "--only", "MTA150").out
    both = re.search(r"if both are hubs of this host: .*smtpcreds.* (mta apply .*)", found)
    assert both, found
    attic(*both[1].split())
    assert attic("audit", "--only", "MTA150").out.startswith("nothing found")
