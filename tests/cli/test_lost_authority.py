"""A state directory that is lost with the authority, while what it published lies beside certificates."""

import shlex
import shutil

import pytest
from admin import HUB, Admin, peer

ANEW = "begin anew, with new certificates for all hosts: smtpcreds ca init --force"
RETIRE = "smtpcreds ca rollover --retire-old"
NAME = "polkatistas.org Mail CA"


@pytest.fixture(params=[HUB, "vm7"], ids=["its own name", "another name"])
def lost(hub: Admin, request: pytest.FixtureRequest) -> Admin:
    """Return a hub that has lost its state directory; a host's certificate was revoked."""
    hub.write("/etc/hostname", f"{request.param}\n", 0o644)
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic")
    shutil.rmtree(hub.state)
    return hub


@pytest.mark.parametrize("words", ["ca init", f"ca init --name '{NAME}'", "ca init -n", f"setup {HUB}"])
def test_no_second_authority_is_made_beside_the_lost_one(lost: Admin, words: str) -> None:
    said = lost.refuses(73, *shlex.split(words), "--no-passphrase")
    assert f"/ca: the authority of {lost.certs}/cacert.pem is not here; hosts that trust it refuse" in said
    assert "hint: put it back from your backup: smtpcreds ca restore BACKUP; without one, " + ANEW in said


def test_every_verb_says_that_it_is_lost(lost: Admin) -> None:
    for words in ("cert issue tuba", "ca crl", "ca show", "cert renew --due"):
        said = lost.refuses(66, *words.split())
        assert "the authority is gone from the state directory, and what it signed is in use" in said, words
        assert ANEW in said, words
    assert ANEW in lost.refuses(66, "inventory", "check")
    for word in ("audit", "status"):
        assert "is gone from the state directory" in lost(word, status=1).out
    screen = lost("status", status=1).out
    assert "the authority of this hub is gone" in screen
    assert f"  {HUB}  " in screen


def test_the_backup_brings_it_back(hub: Admin) -> None:
    hub.write("/etc/hostname", f"{HUB}\n", 0o644)
    backup = hub("ca", "backup", "-").octets
    shutil.rmtree(hub.state)
    assert "ca restore BACKUP" in hub.refuses(73, "setup", HUB)
    hub("ca", "restore", "-", stdin=backup)
    hub("audit")
    assert "authority " in hub("setup", HUB).out
    assert hub.json("ca", "show")["name"] == NAME


def test_beginning_anew_leads_to_a_good_end(hub: Admin, lost: Admin) -> None:
    """The lost authority stays trusted, and what it revoked refused, until it is retired as any other."""
    done = lost("ca", "init", "--no-passphrase", "--force").out
    assert done.startswith(f"{NAME} G2:"), "one name would have two keys"
    before = {path.name: path.readlink() for path in lost.certs.iterdir() if path.is_symlink()}
    found = lost("audit", "--fix", status=1).out
    assert (found.count("CERT019"), found.count("cure: smtpcreds ca crl")) == (2, 2)
    assert before == {path.name: path.readlink() for path in lost.certs.iterdir() if path.is_symlink()}

    lost("ca", "crl")
    assert lost("cert", "verify", HUB).out
    assert "was revoked on" in lost("cert", "verify", "attic", status=1).out
    for pair in lost.certs.glob("attic*"):
        pair.unlink()
    assert "--mta" not in done, "no mail server is here"
    steps = [line.partition("smtpcreds ")[2].partition("    ")[0] for line in done.splitlines()[3:]]
    assert [step.partition(" HOST")[0].partition(" --edit")[0] for step in steps] == [
        f"cert issue {HUB} --force",
        "bundle",
        "setup --client",
        "ca rollover --retire-old --force",
        "audit",
    ]
    lost(*steps[0].split())
    for word in ("audit", "status"):
        told = lost(word, status=1).out
        assert "its files are not on disk, so it signs no CRL any more, and what it signed is refused" in told
        assert RETIRE in told
    lost(*steps[-2].split())
    assert {path.name for path in lost.certs.glob("*crl*")} == {"crl.pem", "all-crls.pem"}
    assert (lost.certs / "cacert.pem").read_text().count("BEGIN") == 1
    assert lost("audit").out.startswith("nothing found")
    assert lost("inventory", "check").out.startswith("inventory and disk agree")


def test_its_client_hosts_trust_the_new_one_alone(hub: Admin) -> None:
    hub.write("/etc/hostname", f"{HUB}\n", 0o644)
    attic, bundle = Admin(hub.directory / "attic"), hub.directory / "attic.tar"
    attic.write("/etc/hostname", "attic.polkatistas.org\n", 0o644)
    hub("bundle", "attic", "--mta", "msmtp", "--crl", "-o", bundle)
    attic("setup", "--client", bundle)
    shutil.rmtree(hub.state)
    hub("ca", "init", "--no-passphrase", "--force")
    hub("cert", "issue", HUB, "--force")
    hub("sasl", "passwd", "maildroid", "--password", "generate:")
    hub("bundle", "attic", "--mta", "msmtp", "-o", bundle, "--force")
    assert "hint: --force to replace it" in attic.refuses(73, "setup", "--client", bundle)
    attic("setup", "--client", bundle, "--force")
    assert (attic.certs / "cacert.pem").read_text().count("BEGIN") == 1
    assert len([path for path in attic.certs.iterdir() if path.is_symlink()]) == 1
    assert not list(attic.certs.glob("*crl*"))
    assert attic("audit").out.startswith("nothing found")
    assert "nothing changed" in attic("setup", "--client", bundle).out


def test_the_inventory_alone_knows_what_is_lost(hub: Admin) -> None:
    hub.write("/etc/hostname", f"{HUB}\n", 0o644)
    shutil.rmtree(hub.state / "ca")
    said = hub.refuses(73, "setup", HUB, "--no-passphrase")
    assert ANEW in said
    assert ANEW in hub.refuses(66, "cert", "issue", "tuba")
    assert ANEW in hub("audit", status=1).out
    hub("ca", "init", "--no-passphrase", "--force")
    hub("cert", "issue", HUB, "--force")
    assert RETIRE in hub("audit", status=1).out
    hub("ca", "rollover", "--retire-old")
    assert (hub.certs / "cacert.pem").read_text().count("BEGIN") == 1, "it would be trusted still"
    assert hub("audit").out.startswith("nothing found")


def test_a_client_host_is_sent_to_its_hub(lost: Admin) -> None:
    lost.path("/etc/smtpcreds/smtpcreds.toml").unlink()
    said = lost.refuses(73, "setup", "attic.polkatistas.org", "--no-passphrase")
    assert "hint: on the hub: smtpcreds bundle " in said
    assert "a second one all the same: smtpcreds ca init --force" in said


@pytest.mark.parametrize("is_by_tar", [True, False])
def test_a_host_that_a_bundle_filled_makes_none(hub: Admin, is_by_tar: bool) -> None:
    bundle = hub.directory / "attic.tar"
    hub("bundle", "attic", "-o", bundle)
    attic = Admin(hub.directory / "attic")
    attic.write("/etc/hostname", "attic.polkatistas.org\n", 0o644)
    if is_by_tar:
        peer("tar", "-xpf", bundle, "-C", attic.root)
    else:
        attic("setup", "--client", bundle)
    for words in ("ca init", "setup attic.polkatistas.org") if is_by_tar else ("ca init",):
        said = attic.refuses(73, *words.split(), "--no-passphrase")
        assert "hint: on the hub: smtpcreds bundle attic.polkatistas.org --new-key --force; then " in said


def test_an_authority_of_others_is_no_obstacle(lost: Admin) -> None:
    """A bundle alone, of a company's CA, is no trace of an authority that published here."""
    for path in lost.certs.iterdir():
        if path.name != "cacert.pem":
            path.unlink()
    lost("setup", HUB, "--no-passphrase")


def test_who_uses_the_lost_one_is_asked_first(hub: Admin) -> None:
    hub.write("/etc/hostname", f"{HUB}\n", 0o644)
    shutil.rmtree(hub.state)
    later = hub.at("+9 days")
    later("ca", "init", "--no-passphrase", "--force")
    said = later.run("ca", "rollover", "--retire-old")
    assert "is older than the inventory, which does not know what hosts still use it" in said
    assert "or bundle HOST; then: smtpcreds ca rollover --retire-old --force" in said
