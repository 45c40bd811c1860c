"""``setup --client``: a client host from a bundle; and bundles that no hub would make."""

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import CERTS, CONFIG, HUB, Admin, peer, snapshot
from killed import again, chosen, sound

from smtpcreds.mta.programs import PROGRAMS

HOST = "attic.polkatistas.org"
KEY = "etc/mail/certs/attic-key.pem"
CERT = "etc/mail/certs/attic-cert.pem"
AUTH_INFO = "/etc/mail/default-auth-info"
PASSPHRASE = "Ch1mp? ,03fuzz fl0ppi"
EXIM_SECTIONS = "".join(f"begin {section}\n\n" for section in ("routers", "transports", "authenticators"))


@pytest.fixture(scope="session")
def hub_and_bundle(hub_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a hub and a bundle of it, both made once."""
    directory = tmp_path_factory.mktemp("bundle")
    subprocess.run(["cp", "-a", hub_tree, directory / "root"], check=True)
    Admin(directory / "root")("bundle", "attic")
    return directory


@pytest.fixture
def bundle(hub_and_bundle: Path) -> Path:
    return hub_and_bundle / "attic.tar"


@pytest.fixture
def hub(hub_and_bundle: Path, tmp_path: Path) -> Admin:
    (tmp_path / "hub").mkdir()
    subprocess.run(["cp", "-a", hub_and_bundle / "root", tmp_path / "hub/root"], check=True)
    return Admin(tmp_path / "hub/root")


@pytest.fixture
def attic(tmp_path: Path) -> Admin:
    """A host with a name, and nothing else."""
    program = Admin(tmp_path / "attic")
    program.write("/etc/hostname", "attic\n", 0o644)
    program.write("/etc/mailname", f"{HOST}\n", 0o644)
    return program


def test_a_client_host_from_nothing(attic: Admin, bundle: Path) -> None:
    ran = attic("setup", "--client", bundle)
    assert ran.err == ""
    assert ran.out.splitlines()[0] == f"{HOST}: ready"
    assert "  include(`/etc/mail/smtpcreds/client.m4')dnl" in ran.out
    assert f"  chroot {attic.root} sh -c 'makemap hash /etc/mail/access < /etc/mail/access'" in ran.out
    modes = {path: attic.mode(path) for path in (CERTS, f"/{KEY}", f"/{CERT}", AUTH_INFO)}
    assert modes == {CERTS: 0o700, f"/{KEY}": 0o600, f"/{CERT}": 0o600, AUTH_INFO: 0o600}
    assert attic.path("/etc/smtpcreds/smtpcreds.toml").read_text() == CONFIG
    certs = attic.path(CERTS)
    peer(
        "openssl",
        "verify",
        "-no-CAfile",
        "-CApath",
        certs,
        "-verify_hostname",
        HOST,
        f"{certs}/attic-cert.pem",
    )
    assert "BAD" not in attic("cert", "verify", "attic").out
    assert not list(certs.glob("*.new"))
    assert [row["host"] for row in attic("cert", "list", "--json").data["certificates"]] == [HOST]


def test_it_leaves_what_tar_leaves(attic: Admin, bundle: Path, tmp_path: Path) -> None:
    """But for what is for people, and for what is for smtpcreds itself."""
    attic("setup", "--client", bundle)
    (tmp_path / "tar").mkdir()
    peer("tar", "-xpf", bundle, "-C", tmp_path / "tar")
    ours, theirs = snapshot(attic.path("/etc/mail")), snapshot(tmp_path / "tar/etc/mail")
    assert ours == theirs


def test_after_tar_it_finds_everything_in_place(attic: Admin, bundle: Path) -> None:
    peer("tar", "-xpf", bundle, "-C", attic.root)
    before, settings = snapshot(attic.path("/etc/mail")), attic.path("/etc/smtpcreds/smtpcreds.toml")
    planned = attic("setup", "--client", bundle, "-n").out.splitlines()
    assert f'would write {settings}  0644  (domain = "polkatistas.org"; hub = "{HUB}")' in planned
    others = {line.split()[2] for line in planned if " record in " not in line}
    others -= {str(settings), str(settings.parent)}
    assert all(path.startswith(str(attic.path("/var"))) for path in others), "the record of what is ours"
    attic("setup", "--client", bundle)
    assert snapshot(attic.path("/etc/mail")) == before
    faults = attic.run("-c", attic.path("/etc/smtpcreds/client.toml"), "mta", "check", "sendmail-client").out
    assert {line.split()[1].rpartition("/")[2] for line in faults.splitlines() if line.startswith("BAD")} == {
        "sendmail.mc",
        "access",
        "sendmail.cf",
        "access.db",
    }, "only what is done by hand is missing"


def test_status_tells_a_host_that_tar_filled_what_is_left(attic: Admin, bundle: Path) -> None:
    peer("tar", "-xpf", bundle, "-C", attic.root)
    said = attic("status", status=1).out
    assert f"{HOST}, " in said
    assert "no authority here; that of another host signs" in said
    settings = attic.path("/etc/smtpcreds/smtpcreds.toml")
    told = "came from a bundle by tar, and commands don't know its hub until smtpcreds.toml names it"
    cure = f"cp {attic.path('/etc/smtpcreds/client.toml')} {settings}"
    assert f"  {HOST}: {told}\n    {cure}\n" in said
    peer("sh", "-c", cure)
    assert "nothing is due" in attic("status")
    assert f"no authority here; that of {HUB} signs" in attic("status")
    attic.write("/etc/mail/sendmail.cf", "Sauthinfo\nR$*\t$#\n", 0o644)
    said = attic("status", status=1).out
    assert f"{attic.path('/etc/mail/default-auth-info')}: is never read" in said
    assert "mta apply sendmail-client --edit" in said
    assert "    rm " not in said, "the secret that the bundle brought is the host's only copy"
    attic.path("/etc/mail/sendmail.cf").unlink()
    settings.unlink()
    attic("setup", "--client", bundle)
    said = attic("status").out
    assert "nothing is due" in said
    assert f"no authority here; that of {HUB} signs" in said
    assert HOST in said.partition("certificates")[2], "it is there, though no run recorded it"


@pytest.mark.parametrize(
    ("program", "file", "stock"),
    [
        ("postfix", "/etc/postfix/main.cf", "compatibility_level = 3.6\n"),
        ("exim", "/etc/exim4/exim4.conf.template", EXIM_SECTIONS),
        ("sendmail", "/etc/mail/sendmail.mc", "MAILER(`smtp')dnl\n"),
    ],
)
def test_a_host_that_tar_filled_is_told_what_its_own_configuration_lacks(
    hub: Admin, attic: Admin, program: str, file: str, stock: str
) -> None:
    hub("bundle", "attic", "--mta", program, "--new-key", "--plaintext", "-o", "attic.tar")
    for name, line in (("group", "Debian-exim:x:12345:\n"), ("passwd", "Debian-exim:x:12345:12345::/:\n")):
        hub.write(f"/etc/{name}", line, 0o644)
        attic.write(f"/etc/{name}", line, 0o644)
    configuration = attic.write(file, stock, 0o644)
    peer("tar", "-xpf", hub.directory / "attic.tar", "-C", attic.root)
    peer("cp", attic.path("/etc/smtpcreds/client.toml"), attic.path("/etc/smtpcreds/smtpcreds.toml"))
    assert re.search(
        rf"BAD +{re.escape(str(configuration))}[ :]+lacks ",
        attic("mta", "check", f"{program}-client", status=1).out,
    )
    cure = f"smtpcreds mta apply {program}-client --edit"
    said = attic("status", status=1).out
    assert str(configuration) in said
    assert "(MTA017)" in said
    said = attic("audit", status=1).out
    assert f"{configuration}: lacks " in said
    assert cure in said
    attic("mta", "apply", f"{program}-client", "--edit")
    assert f"{configuration}: lacks " not in attic.run("audit").out
    if program == "exim":
        with configuration.open("a", encoding="utf-8") as text:
            text.write("cram_md5:\n  driver = cram_md5\n")
        told = f"{configuration}: has the authenticator cram_md5: which Exim does not accept"
        edit = "remove it, or smtpcreds mta apply exim-client --edit"
        checked = attic("mta", "check", "exim-client", status=1).out
        assert told.replace(": has", " has") in checked
        for said in (checked, attic("audit", status=1).out, attic("status", status=1).out):
            assert told.partition(": has")[2] in said
            assert edit in said
    attic.write(file, stock, 0o644)
    for path in attic.path("/var/lib/smtpcreds").iterdir():
        path.unlink()
    secret = next(path for path in PROGRAMS[f"{program}-client"].SECRET_FILES if attic.path(path).is_file())
    attic.write(secret, "of somebody else\n", 0o600)
    assert "MTA017" not in attic.run("audit", "--json").out, (
        "what is not as we write it is not known to be ours"
    )


def test_what_takes_tls_away_beside_our_lines_is_no_secret_of_mta_check(hub: Admin, attic: Admin) -> None:
    for name, line in (("group", "mail:x:8:\n"), ("passwd", "mail:x:8:8::/:\n")):
        hub.write(f"/etc/{name}", line, 0o644)
        attic.write(f"/etc/{name}", line, 0o644)
    hub("bundle", "attic", "--mta", "dma", "--new-key", "-o", "attic.tar")
    configuration = attic.write("/etc/dma/dma.conf", "MAILNAME attic\n", 0o644)
    attic("setup", "--client", hub.directory / "attic.tar", "--edit")
    assert "MTA017" not in attic.run("audit").out
    with configuration.open("a", encoding="utf-8") as text:
        text.write("INSECURE\n")
    for words in (("mta", "check", "dma"), ("audit",), ("status",)):
        assert "has INSECURE, " in attic(*words, status=1).out


@pytest.mark.parametrize("look", [f"/{KEY}", "/var/lib/smtpcreds/inventory.sqlite3"])
def test_another_run_came_in_between(attic: Admin, bundle: Path, look: str) -> None:
    words = ("setup", "--client", bundle)
    ran = attic.overtaken(look, lambda: attic(*words), *words)
    assert (ran.status, ran.out.splitlines()[0]) == (0, f"{HOST}: was ready; nothing changed"), ran.err
    assert attic.query("SELECT count(*) FROM events WHERE what = 'setup'") == [(1,)]


def test_a_second_run_changes_nothing_and_says_so(attic: Admin, bundle: Path) -> None:
    attic("setup", "--client", bundle)
    before = snapshot(attic.root)
    ran = attic("setup", "--client", bundle)
    assert ran.out.splitlines()[0] == f"{HOST}: was ready; nothing changed"
    assert f"add to {attic.root}/etc/mail/sendmail.mc" in ran.out, "what is left to do by hand is said again"
    data = attic("setup", "--client", bundle, "--json").data
    assert (data["changed"], data["hub"], data["program"]) == (False, HUB, "sendmail-client")
    assert attic("setup", "--client", bundle, "-n").out == "nothing to do\n"
    assert snapshot(attic.root) == before


def test_a_dry_run_is_the_plan(attic: Admin, bundle: Path) -> None:
    before = snapshot(attic.root)
    lines = attic("setup", "--client", bundle, "-n").out.splitlines()
    planned = {line.split()[2] for line in lines if line.split()[1] in {"make", "write", "link"}}
    assert snapshot(attic.root) == before
    attic("setup", "--client", bundle)
    made = {str(attic.root / path) for path in snapshot(attic.root).keys() - before.keys()}
    assert planned == made


def test_a_pair_that_is_gone_is_said_wherever_one_asks(attic: Admin, bundle: Path) -> None:
    attic("setup", "--client", bundle)
    for path in (KEY, CERT):
        attic.path(path).unlink()
    cure = f"on the hub: smtpcreds bundle {HOST} --new-key --force; then here: "
    for words, status in ((("audit",), 1), (("cert", "verify", HOST), 66)):
        ran = attic.run(*words)
        assert ran.status == status
        assert cure in ran.out + ran.err
    assert "CERT027" in attic("status", status=1).out


def test_from_standard_input(attic: Admin, bundle: Path) -> None:
    attic("setup", HOST, "--client", "-", stdin=bundle.read_bytes())
    assert attic.mode(f"/{KEY}") == 0o600


def test_a_new_bundle_replaces_the_secret_and_asks_about_the_key(
    attic: Admin, bundle: Path, hub: Admin
) -> None:
    attic("setup", "--client", bundle)
    hub("sasl", "passwd", "maildroid")
    hub("bundle", "attic", "--no-key", "-o", "renewed.tar")
    key = attic.path(f"/{KEY}").read_bytes()
    attic("setup", "--client", hub.root.parent / "renewed.tar")
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    assert attic.path(AUTH_INFO).read_text().splitlines()[2] == secret
    assert attic.path(f"/{KEY}").read_bytes() == key

    hub("bundle", "attic", "--new-key", "-o", "rekeyed.tar")
    said = attic.refuses(73, "setup", "--client", hub.root.parent / "rekeyed.tar")
    assert "has a certificate until" in said
    attic("setup", "--client", hub.root.parent / "rekeyed.tar", "--force")
    assert attic.path(f"/{KEY}").read_bytes() != key
    assert "BAD" not in attic("cert", "verify", "attic").out


def test_a_host_with_its_own_key(attic: Admin, hub: Admin, tmp_path: Path) -> None:
    attic("cert", "request", HOST)
    hub("bundle", "attic", "--csr", attic.path(f"{CERTS}/attic.csr"), "-o", "own.tar")
    bundle = hub.root.parent / "own.tar"
    key = attic.path(f"/{KEY}").read_bytes()
    attic("setup", "--client", bundle)
    assert attic.path(f"/{KEY}").read_bytes() == key
    assert "BAD" not in attic("cert", "verify", "attic").out

    other = Admin(tmp_path / "other")
    other.write("/etc/hostname", f"{HOST}\n", 0o644)
    assert "is not the key of the certificate in " in other.refuses(66, "setup", "--client", bundle)


@pytest.mark.parametrize(
    ("program", "option"),
    [("msmtp", ()), ("dma", ()), ("swaks", ()), ("nullmailer", ("--plaintext",)), ("postfix", ())],
)
def test_other_mail_programs(
    attic: Admin, hub: Admin, program: str, option: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("passwd", "group"):
        attic.write(f"/etc/{name}", Path(f"/etc/{name}").read_text() + "".join(GROUPS[name]), 0o644)
    bundle = tmp_path / "other.tar"
    hub("bundle", "attic", "--new-key", "--mta", program, "-o", bundle, *option)
    said = attic("setup", "--client", bundle, "--mta", program).out
    assert attic("setup", "--client", bundle, "-n").out == "nothing to do\n"
    check = said.rpartition("check with: smtpcreds ")[2].split()
    assert set(re.findall(r"(?m)^BAD  \S+ (\w+)", attic.run(*check).out)) <= {"lacks"}, "but for the includes"


GROUPS = {"passwd": ["nullmailer:x:990:990::/:/bin/false\n"], "group": ["nullmailer:x:990:\n"]}
"""What a package would have added."""


def test_files_of_others_are_left_alone(attic: Admin, bundle: Path) -> None:
    attic.write(AUTH_INFO, "somebody\nsomebody\nelse\n", 0o600)
    said = attic.refuses(73, "setup", "--client", bundle)
    assert f"{attic.path(AUTH_INFO)}: was not written by smtpcreds, and was not changed" in said
    attic("setup", "--client", bundle, "--force")
    assert "somebody" not in attic.path(AUTH_INFO).read_text()


def test_a_newer_crl_and_more_authorities_stay(attic: Admin, hub: Admin, tmp_path: Path) -> None:
    bundle = tmp_path / "with-crl.tar"
    hub("bundle", "attic", "--crl", "--new-key", "-o", bundle)
    attic("setup", "--client", bundle)
    crl, trusted = attic.path(f"{CERTS}/crl.pem"), attic.path(f"{CERTS}/cacert.pem")
    hub("ca", "crl", "--to", tmp_path / "newer.der", "--der")
    newer = hub.path(f"{CERTS}/crl.pem").read_bytes()
    crl.write_bytes(newer)
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", tmp_path / "key")
    peer("openssl", "req", "-x509", *new, "-subj", "/CN=Other", "-out", tmp_path / "other.pem")
    trusted.write_bytes(trusted.read_bytes() + (tmp_path / "other.pem").read_bytes())
    attic("setup", "--client", bundle)
    assert crl.read_bytes() == newer
    assert trusted.read_bytes().count(b"BEGIN CERTIFICATE") == 2


def test_lists_of_an_earlier_bundle_go_where_the_new_one_brings_none(attic: Admin, hub: Admin) -> None:
    hub("bundle", "attic", "--crl", "--new-key", "-o", "with.tar")
    attic("setup", "--client", hub.root.parent / "with.tar")
    assert "CRL" in attic.path("/etc/mail/smtpcreds/client.m4").read_text()
    hub("bundle", "attic", "--no-key", "--defaults", "-o", "plain.tar")
    plain = hub.root.parent / "plain.tar"
    planned = attic("setup", "--client", plain, "-n").out
    assert f"would remove {attic.path(CERTS)}/crl.pem" in planned
    assert attic("setup", "--client", plain).warnings == []
    assert b"crl" not in attic.path("/etc/smtpcreds/smtpcreds.toml").read_bytes()
    assert "CRL" not in attic.path("/etc/mail/smtpcreds/client.m4").read_text()
    assert not [path for path in attic.path(CERTS).iterdir() if "crl" in path.name or ".r" in path.name]
    assert "CERT013" not in attic.run("audit").out
    assert attic("setup", "--client", plain, "-n").out == "nothing to do\n"


def test_the_authority_is_compared_with_what_was_told(attic: Admin, bundle: Path, hub: Admin) -> None:
    known = hub.openssl("x509", "-in", hub.path(f"{CERTS}/cacert.pem"), "-noout", "-fingerprint", "-sha256")
    known = known.partition("=")[2].strip()
    said = attic.refuses(65, "setup", "--client", bundle, "--fingerprint", "0" * 64)
    assert "brings an authority that was not named" in said
    assert "64 hex digits" in attic.refuses(64, "setup", "--client", bundle, "--fingerprint", "abc")
    plain = known.replace(":", "").lower()
    assert f"authority SHA-256 {plain}" in hub("bundle", "attic", "--no-key", "-o", "again.tar").out
    assert f"authority SHA-256 {plain}" in attic("setup", "--client", bundle, "--fingerprint", known).out


def test_settings_of_the_host_count_and_lines_that_lack_are_named(attic: Admin, hub: Admin) -> None:
    hub("bundle", "attic", "--new-key", "--port", "587", "-o", "port.tar")
    bundle = hub.root.parent / "port.tar"
    attic.configure('domain = "polkatistas.org"\n')
    ran = attic("setup", "--client", bundle)
    assert len(ran.warnings) == 1
    assert ran.warnings[0].endswith(f'other commands need what the hub says: hub = "{HUB}"; mta.port = 587')
    assert attic.path("/etc/smtpcreds/smtpcreds.toml").read_text() == 'domain = "polkatistas.org"\n'
    attic.configure(CONFIG.replace("dmzmail", "mx"))
    assert "mx.polkatistas.org, and the bundle is of dmzmail" in attic.refuses(
        64, "setup", "--client", bundle
    )


def test_what_a_later_bundle_says_comes_to_a_configuration_that_nobody_edited(
    attic: Admin, hub: Admin
) -> None:
    """As when a client host of one command fetches its bundles from now on, which brings CRLs."""
    ports = (("three", "2525"), ("four", "587"))
    given = (("one",), ("two", "--crl", "--port", "587"), *((name, "--port", port) for name, port in ports))
    for name, *options in given:
        hub("bundle", "attic", "--new-key", "--defaults", *options, "-o", f"{name}.tar")
    one, two, three, four = (hub.root.parent / f"{name}.tar" for name, *_ in given)
    attic("setup", "--client", one)
    file = attic.path("/etc/smtpcreds/smtpcreds.toml")
    first = file.read_text()
    assert attic.refuses(73, "setup", "--client", two).endswith("\n  hint: --force to replace it")
    assert file.read_text() == first
    assert attic("setup", "--client", two, "--force").warnings == []
    assert file.read_text() == f"{first}\n[mta]\ncrl = true\nport = 587\n"
    assert "is as smtpcreds wrote it once" not in attic("mta", "check", "sendmail-client", status=1).out
    assert "MTA009" not in attic.run("audit").out
    lacks = attic("setup", "--client", three, "--force").warnings
    assert any("other commands need what the hub says: mta.port = 2525" in line for line in lacks)
    assert attic("setup", "--client", four, "--force").warnings == [], "nobody brings lists any more"
    assert file.read_text() == f"{first}\n[mta]\nport = 587\n"
    assert "MTA009" not in attic.run("audit").out, "its cure would have Sendmail ask a list that ends"
    file.write_text(f"# mine\n{first}")
    attic("setup", "--client", two, "--force")
    assert file.read_text() == f"# mine\n{first}"


def test_the_authorities_of_another_hub_stay(attic: Admin, bundle: Path, hub: Admin, tmp_path: Path) -> None:
    """Each hub's bundles speak for its own: what a bundle lacks is not lost because another hub made it."""
    other, trusted = Admin(tmp_path / "mx"), attic.path(f"{CERTS}/cacert.pem")
    other("setup", "mx.polkatistas.org", "--no-passphrase")
    files = {name: tmp_path / f"{name}.tar" for name in ("again", "mx", "mx2")}

    def set_up(path: Path, hub_name: str) -> list[str]:
        attic.configure(CONFIG.replace("dmzmail", hub_name))
        attic("setup", "--client", path, "--force")
        return re.findall("(?s)-----BEGIN.*?-----END", trusted.read_text())

    (first,) = set_up(bundle, "dmzmail")
    other("bundle", "attic", "--mta", "msmtp", "-o", files["mx"])
    second, kept = set_up(files["mx"], "mx")
    assert kept == first
    other("ca", "rollover")
    other("cert", "renew", "--old-authority")
    other("ca", "rollover", "--retire-old", "--force")
    other("bundle", "attic", "--mta", "msmtp", "--new-key", "-o", files["mx2"])
    third, kept = set_up(files["mx2"], "mx")
    assert kept == first
    assert third != second, "one that its own hub has retired goes"
    shutil.rmtree(hub.state / "ca")
    hub.write("/etc/hostname", f"{HUB}\n", 0o644)
    hub("ca", "init", "--no-passphrase", "--force")
    hub("cert", "issue", HUB, "--force")
    hub("bundle", "attic", "--new-key", "-o", files["again"])
    fourth, kept = set_up(files["again"], "dmzmail")
    assert kept == third
    assert fourth != first
    assert "nothing changed" in attic("setup", "--client", files["again"]).out


def test_an_authority_that_came_by_tar_and_is_retired_goes(attic: Admin, bundle: Path, hub: Admin) -> None:
    """Nothing recorded there what came. The new bundle brings its successor; a company's CA stays."""
    trusted = attic.path(f"{CERTS}/cacert.pem")
    attic.root.mkdir(exist_ok=True)
    peer("tar", "-xpf", bundle, "-C", attic.root)
    said = attic.refuses(64, "mta", "check", "sendmail-client")
    assert "came from a bundle by tar, and commands don't know its hub" in said
    assert f"hint: cp {attic.path('/etc/smtpcreds/client.toml')} " in said
    company = Admin(hub.directory / "company")
    company("ca", "init", "--name", "Company CA", "--no-passphrase")
    own = company.path("/var/lib/smtpcreds/ca/ca-cert.pem").read_text()
    trusted.write_text(trusted.read_text() + own)
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    hub("ca", "rollover", "--retire-old", "--force")
    hub("bundle", "attic", "--new-key", "-o", "successor.tar")
    attic("setup", "--client", hub.root.parent / "successor.tar", "--force")
    assert trusted.read_text().count("BEGIN") == 2
    assert own in trusted.read_text()
    assert attic("audit").out.startswith("nothing found")


def test_a_host_with_another_mail_server_is_told_how_it_gets_its_own_bundle(
    hub: Admin, tmp_path: Path
) -> None:
    hub("bundle", "attic", "--new-key", "-o", "attic.tar")
    attic = Admin(tmp_path / "attic")
    attic.write("/etc/hostname", "attic.polkatistas.org\n", 0o644)
    attic.write("/etc/postfix/main.cf", "", 0o644)
    ran = attic.run("setup", "--client", hub.directory / "attic.tar", "--edit")
    assert ran.status == 69
    what = "is for sendmail, and this host has postfix; on the hub, the same command again with --mta postfix"
    assert ran.warnings == [f"{hub.directory}/attic.tar: {what}"]


def test_another_host_than_this_one(attic: Admin, bundle: Path) -> None:
    assert f"is not the host of the bundle, which is {HOST}" in attic.refuses(
        64, "setup", "tuba.polkatistas.org", "--client", bundle
    )
    attic.write("/etc/hostname", "tuba\n", 0o644)
    assert attic("setup", "--client", bundle).warnings == [
        f"{bundle}: is for {HOST}, and this host is tuba.polkatistas.org"
    ]


def test_an_encrypted_bundle(attic: Admin, hub: Admin, tmp_path: Path) -> None:
    attic.write("secret", PASSPHRASE)
    attic.write("wrong", "fl0ppi")
    sealed = hub.root.parent / "sealed"
    hub("bundle", "attic", "--new-key", "-o", sealed, "--passphrase", f"file:{tmp_path}/secret")
    words = ("setup", "--client", sealed)
    assert "the passphrase does not open it" in attic.refuses(77, *words, "--passphrase", "file:wrong")
    assert "--passphrase: is needed for the bundle" in attic.refuses(64, *words)
    data = bytearray(sealed.read_bytes())
    data[-500] ^= 4
    (tmp_path / "bent").write_bytes(data)
    assert "it was altered" in attic.refuses(
        77, "setup", "--client", tmp_path / "bent", "--passphrase", "file:secret"
    )
    attic(*words, "--passphrase", "file:secret")
    assert attic.mode(f"/{KEY}") == 0o600


def test_a_bundle_for_a_key_is_opened_by_age(attic: Admin, hub: Admin, tmp_path: Path) -> None:
    identity = tmp_path / "identity"
    peer("age-keygen", "-o", identity)
    sealed = tmp_path / "sealed"
    hub(
        "bundle",
        "attic",
        "--new-key",
        "-o",
        sealed,
        "--recipient",
        peer("age-keygen", "-y", identity).strip(),
    )
    said = attic.refuses(
        65, "setup", "--client", sealed, "--passphrase", f"file:{attic.write('secret', 'x')}"
    )
    assert "was encrypted for a key, not under a passphrase" in said
    opened = subprocess.run(["age", "-d", "-i", identity, sealed], capture_output=True, check=True).stdout
    attic("setup", "--client", "-", stdin=opened)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--account", "droid"], "--account: is for a hub"),
        (["--no-passphrase"], "--no-passphrase: is for a hub"),
        (["--mta", "sendmail-hub"], "sendmail-hub: unknown mail program for a client"),
        (["--passphrase", "stdin:"], "is not encrypted"),
    ],
)
def test_words_that_do_not_fit(attic: Admin, bundle: Path, words: list[str], said: str) -> None:
    assert said in attic.refuses(64, "setup", "--client", bundle, *words)


@pytest.mark.parametrize("count", [1, 2, 6, 7, 8, 9, 10])
def test_a_kill_at_any_rename_is_completed_by_the_next_run(attic: Admin, bundle: Path, count: int) -> None:
    assert attic.killed(f"renameat:signal=KILL:when={count}", "setup", "--client", bundle) == (count < 10)
    attic("setup", "--client", bundle)
    assert "BAD" not in attic("cert", "verify", "attic").out
    assert attic("setup", "--client", bundle, "-n").out == "nothing to do\n"
    assert not list(attic.root.rglob("*.smtpcreds-*"))
    assert not list(attic.certs.glob("*.new"))


def test_a_kill_at_any_kind_of_call_is_completed_by_the_next_run(attic: Admin, bundle: Path) -> None:
    start = attic.directory.with_name(f"{attic.directory.name}-start")
    shutil.copytree(attic.directory, start, symlinks=True)
    for point in chosen(attic.kill_points("setup", "--client", bundle)):
        again(attic, start)
        assert attic.killed_at(point, "setup", "--client", bundle), point
        attic("setup", "--client", bundle)
        assert not list(attic.directory.rglob("*.smtpcreds-*")), point
        sound(attic)


Crafted = list[tuple[tarfile.TarInfo, bytes]]


def members(bundle: Path) -> Crafted:
    with tarfile.open(bundle) as archive:
        files = [(info, archive.extractfile(info) if info.isreg() else None) for info in archive]
        return [(info, file.read() if file else b"") for info, file in files]


def crafted(bundle: Path, changed: Crafted) -> bytes:
    """Return a bundle with other members whose label is right: whoever can change one can do that."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for info, content in changed:
            info.pax_headers = {}
            archive.addfile(info, io.BytesIO(content))
    return labelled(bundle, body.getvalue())


def labelled(bundle: Path, body: bytes) -> bytes:
    head, digest = bundle.read_bytes()[:1024], hashlib.sha256(body).hexdigest()
    return re.sub(rb"sha256=\w{64}", f"sha256={digest}".encode(), head) + body


def entry(name: str, content: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    for attribute, value in more.items():
        setattr(info, attribute, value)
    return info, content


def with_more(*more: tuple[tarfile.TarInfo, bytes]) -> Callable[[Crafted], Crafted]:
    return lambda found: [*found, *more]


def with_content(path: str, change: Callable[[bytes], bytes]) -> Callable[[Crafted], Crafted]:
    def edit(found: Crafted) -> Crafted:
        edited = [(info, change(content) if info.name == path else content) for info, content in found]
        for info, content in edited:
            info.size = len(content)
        return edited

    return edit


def without(path: str) -> Callable[[Crafted], Crafted]:
    return lambda found: [item for item in found if item[0].name != path]


LINK, HARD, DEVICE, PIPE = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE
SETTINGS = "etc/smtpcreds/client.toml"
HOSTILE: dict[str, tuple[Callable[[Crafted], Crafted], str]] = {
    "up": (with_more(entry("../x")), "leads elsewhere"),
    "up inside": (with_more(entry("etc/mail/certs/../../../x")), "leads elsewhere"),
    "absolute": (with_more(entry("/etc/cron.d/x")), "is not a plain relative path"),
    "not of the program": (
        with_more(entry("etc/cron.d/x", b"* * * * *")),
        "etc/cron.d/x is not a file of sendmail-client",
    ),
    "not of the directory": (
        with_more(entry("etc/mail/certs/evil.pem")),
        "is not a file that a certificate directory",
    ),
    "unprintable": (with_more(entry("etc/\x1b[2Jx")), "is not a plain relative path"),
    "link": (
        with_more(entry("etc/mail/access", type=LINK, linkname="/etc/shadow")),
        "is a symbolic link to /etc/shadow",
    ),
    "hash link": (
        with_more(entry("etc/mail/certs/00000000.0", type=LINK, linkname="../../shadow")),
        "is a symbolic link to ../../shadow",
    ),
    "hard link": (with_more(entry("etc/mail/x", type=HARD, linkname="etc/shadow")), "is a hard link"),
    "device": (with_more(entry("etc/mail/x", type=DEVICE)), "is a device"),
    "pipe": (with_more(entry("etc/mail/x", type=PIPE)), "is a pipe"),
    "sparse": (with_more(entry("etc/mail/x", type=tarfile.GNUTYPE_SPARSE)), "of a kind that no bundle has"),
    "long name": (
        with_more(entry("x", b"y" * 200, type=tarfile.GNUTYPE_LONGNAME)),
        "of a kind that no bundle has",
    ),
    "directory": (with_more(entry("etc/mail", type=tarfile.DIRTYPE, mode=0o777)), "has mode 0777"),
    "shared directory": (with_more(entry("etc/mail", type=tarfile.DIRTYPE, mode=0o700)), "is a directory"),
    "set-uid": (with_more(entry("etc/mail/x", mode=0o4755)), "has mode 4755"),
    "twice": (with_more(entry(SETTINGS)), "is in it twice"),
    "many": (with_more(*(entry(f"etc/x{n}") for n in range(600))), "has over 500 members"),
    "no certificate": (without(CERT), f"lacks {CERT}"),
    "no secret": (without(AUTH_INFO[1:]), "has no secret of maildroid"),
    "no fragment": (without("etc/mail/smtpcreds/client.m4"), "lacks etc/mail/smtpcreds/client.m4"),
    "half a secret": (with_content(AUTH_INFO[1:], lambda text: text[:9]), "default-auth-info"),
    "another account": (
        with_content(AUTH_INFO[1:], lambda text: text.replace(b"maildroid", b"root")),
        "has no secret",
    ),
    "no key": (with_content(KEY, lambda _: b"no key"), KEY),
    "bent certificate": (with_content(CERT, lambda text: text.replace(b"A", b"B", 1)), CERT),
    "settings of the state": (
        with_content(SETTINGS, lambda text: b'state = "/etc"\n' + text),
        "says state, which no hub does",
    ),
    "settings of the directory": (
        with_content(SETTINGS, lambda text: text + b'[cert]\ndirectory = "/etc"\n'),
        "has certificates for /etc",
    ),
    "settings of the passphrase": (
        with_content(SETTINGS, lambda text: text + b'[ca]\npassphrase = "cmd:/bin/sh"\n'),
        "says ca.passphrase, which no hub does",
    ),
    "no settings": (with_content(SETTINGS, lambda _: b"\xff["), "is not TOML"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_in_one_line(
    attic: Admin, bundle: Path, name: str, tmp_path: Path
) -> None:
    change, said = HOSTILE[name]
    bad = tmp_path / "bad.tar"
    bad.write_bytes(crafted(bundle, change(members(bundle))))
    outside = snapshot(tmp_path)
    assert said in attic.refuses(78 if name == "no settings" else 65, "setup", "--client", bad)
    assert snapshot(tmp_path) == outside


def test_crafting_alone_is_not_what_is_refused(attic: Admin, bundle: Path) -> None:
    attic("setup", "--client", "-", stdin=crafted(bundle, members(bundle)))


def test_another_key_than_that_of_the_certificate(attic: Admin, bundle: Path, hub: Admin) -> None:
    key = hub.path(f"{CERTS}/dmzmail-key.pem").read_bytes()
    data = crafted(bundle, with_content(KEY, lambda _: key)(members(bundle)))
    said = attic.refuses(65, "setup", "--client", "-", stdin=data)
    assert "is not the key of its certificate" in said


def test_another_authority_than_that_of_the_certificate(attic: Admin, bundle: Path, tmp_path: Path) -> None:
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", tmp_path / "key")
    peer("openssl", "req", "-x509", *new, "-subj", "/CN=Other", "-out", tmp_path / "other.pem")
    other = (tmp_path / "other.pem").read_bytes()
    data = crafted(bundle, with_content("etc/mail/certs/cacert.pem", lambda _: other)(members(bundle)))
    assert "was not found" in attic.refuses(65, "setup", "--client", "-", stdin=data)


def test_another_host_than_that_of_the_certificate(attic: Admin, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(bundle.read_bytes().replace(b"host=attic.", b"host=tuba2.", 1))
    assert "lacks etc/mail/certs/tuba2-cert.pem" in attic.refuses(65, "setup", "--client", tmp_path / "bad")


def test_sizes_that_are_not_there(attic: Admin, bundle: Path, tmp_path: Path) -> None:
    """Headers of exabytes, and of less than nothing; no memory is taken for either."""
    for size in (b"\x80" + (1 << 62).to_bytes(11, "big"), b"\xff" * 12, b"77777777777\0"):
        block = bytearray(entry("etc/mail/x")[0].tobuf(tarfile.USTAR_FORMAT))
        block[124:136] = size
        block[148:156] = b" " * 8
        block[148:156] = f"{sum(block):06o}\0 ".encode()
        (tmp_path / "bad").write_bytes(labelled(bundle, bytes(block)))
        assert "etc/mail/x claims" in attic.refuses(65, "setup", "--client", tmp_path / "bad")


@pytest.mark.parametrize("length", [0, 1, 512, 1023, 1024, 5000, -512, -1])
def test_a_cut_archive(attic: Admin, bundle: Path, length: int, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(bundle.read_bytes()[:length])
    assert attic.refuses(65, "setup", "--client", tmp_path / "bad")


@pytest.mark.parametrize("place", [560, 700, 1030, 1180, 2000, 9000, -1])
def test_a_flipped_bit(attic: Admin, bundle: Path, place: int, tmp_path: Path) -> None:
    bent = bytearray(bundle.read_bytes())
    bent[place] ^= 1
    (tmp_path / "bad").write_bytes(bent)
    assert attic.refuses(65, "setup", "--client", tmp_path / "bad")


def test_a_host_with_a_name_that_tar_has_to_extend(hub: Admin, attic: Admin) -> None:
    host = f"{'a' * 60}.{'b' * 60}.polkatistas.org"
    path = hub.directory / "long.tar"
    hub("bundle", host, "-o", path)
    assert f"{host}-key.pem" in peer("tar", "-tf", path)
    attic("setup", "--client", path, "--force")
    assert list(attic.certs.glob("a*-key.pem"))


@pytest.mark.parametrize(
    "record", [b"13 path=/x\n14 size=1\n", b"19 linkpath=/passwd\n", b"11 path=\xff\n", b"9 path=\n", b""]
)
def test_an_extended_header_that_says_more_than_a_name_is_refused(
    attic: Admin, bundle: Path, record: bytes, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.tar"
    bad.write_bytes(crafted(bundle, [entry("x", record, type=b"x"), *members(bundle)]))
    said = attic.refuses(65, "setup", "--client", bad)
    assert "has an extended header that is more than a name" in said


def test_nothing_from_the_other_side_of_the_pipe_is_no_bundle_of_another_kind(attic: Admin) -> None:
    told = attic.refuses(65, "setup", "--client", "-")
    assert "gave nothing" in told
    assert "is not a bundle" not in told
    assert "the command at the other end of the pipe failed" in told
    assert "is not a bundle of smtpcreds" in attic.refuses(65, "setup", "--client", "-", stdin=b"x")


def test_msmtp_says_who_can_send(attic: Admin, hub: Admin, tmp_path: Path) -> None:
    for name in ("passwd", "group"):
        attic.write(f"/etc/{name}", Path(f"/etc/{name}").read_text(), 0o644)
    bundle = tmp_path / "msmtp.tar"
    hub("bundle", "attic", "--new-key", "--mta", "msmtp", "-o", bundle)
    assert "adduser USER mail    # for each user who is to send" in attic("setup", "--client", bundle).out
