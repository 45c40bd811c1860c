"""What ``mta apply`` was told holds until it is told something else, for every verb that asks."""

import shlex
from pathlib import Path

import pytest
from admin import CONFIG, HUB, Admin, issued_hub

from smtpcreds.mta.programs import PROGRAMS

HUB_M4 = "/etc/mail/smtpcreds/hub.m4"
SASL_CONF = "/etc/sasl2/Sendmail.conf"
ACCESS = "/etc/mail/smtpcreds/access"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    hub = issued_hub(tmp_path_factory.mktemp("options") / "root")
    hub("sasl", "add", "maildroid")
    hub("cert", "issue", "attic", "tuba")
    return hub.root


@pytest.fixture
def hub(template: Path, tmp_path: Path) -> Admin:
    return Admin(template).copy(tmp_path / "root")


def said(hub: Admin, path: str) -> str:
    return hub.path(path).read_text()


def offered(hub: Admin) -> str:
    lines = said(hub, HUB_M4).splitlines()
    return next(line for line in lines if "confAUTH_MECHANISMS" in line).split("`")[2].rstrip("')dnl")


def of_files(hub: Admin, *words: str) -> list[str]:
    """Return what is wrong with files of ours; the host's own are not there."""
    found = hub.run("--json", "mta", "check", "sendmail-hub", *words).data["findings"]
    return [f["path"] for f in found if "smtpcreds/" in f["path"] or "sasl2" in f["path"]]


EACH = [
    ("--plaintext",),
    ("--saslauthd",),
    ("--mechanism", "CRAM-MD5", "--mechanism", "PLAIN"),
    ("--external",),
    ("--relay-certificates",),
    ("--relay-host", "attic"),
    ("--access", "Try_TLS:old.example.org NO"),
    ("--hub", "mx.polkatistas.org", "--host", HUB),
]


@pytest.mark.parametrize("options", EACH, ids=lambda options: options[0])
def test_options_hold_for_the_runs_that_follow(hub: Admin, options: tuple[str, ...]) -> None:
    hub("mta", "apply", "sendmail-hub", *options)
    assert of_files(hub) == []
    assert hub("mta", "diff", "sendmail-hub") == ""
    assert not hub.json("mta", "apply", "sendmail-hub")["changed"]
    assert (
        hub.json("mta", "render", "sendmail-hub")["options"].split()[0] == options[0] or "hub" in options[0]
    )
    audit = hub.run("--json", "audit").data
    assert not [f for f in audit["findings"] if f["code"] == "MTA009"]


def test_they_are_shown(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--plaintext", "--relay-host", "attic")
    told = "as applied with: --plaintext --relay-host attic"
    assert told in hub("mta", "list")
    assert told in hub("mta", "apply", "sendmail-hub")
    assert told in hub("mta", "check", "sendmail-hub", status=1)
    listed = {p["name"]: p["options"] for p in hub.json("mta", "list")["programs"]}
    assert listed.pop("sendmail-hub") == "--plaintext --relay-host attic"
    assert set(listed.values()) == {""}


def test_what_is_given_replaces_all_of_its_kind_and_nothing_else(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--plaintext", "--relay-certificates")
    hub("mta", "apply", "sendmail-hub", "--mechanism", "CRAM-MD5")
    assert offered(hub) == "CRAM-MD5"
    assert "CertIssuer:/" in said(hub, ACCESS)
    hub("mta", "apply", "sendmail-hub", "--relay-host", "attic")
    assert "CertSubject:/CN=attic" in said(hub, ACCESS)
    hub("mta", "apply", "sendmail-hub", "--relay-host", "tuba")
    assert "attic" not in said(hub, ACCESS)
    assert hub.json("mta", "apply", "sendmail-hub")["options"] == "--mechanism CRAM-MD5 --relay-host tuba"


def test_a_look_with_other_options_changes_nothing(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--plaintext")
    hub("mta", "diff", "sendmail-hub", "--external", status=1)
    hub("-n", "mta", "apply", "sendmail-hub", "--external")
    assert hub.json("mta", "apply", "sendmail-hub")["options"] == "--plaintext"


def test_defaults_forget(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--plaintext", "--external")
    assert hub("mta", "diff", "sendmail-hub", "--defaults", status=1)
    hub("mta", "apply", "sendmail-hub", "--defaults", "--external")
    assert "PLAIN" not in offered(hub)
    hub("mta", "apply", "sendmail-hub", "--defaults")
    assert "EXTERNAL" not in offered(hub)
    assert "as applied" not in hub("mta", "list")


def test_a_map_is_made_anew_when_its_last_rule_goes(hub: Admin) -> None:
    """Else the daemon relays by certificate as before."""
    makemap = "makemap hash /etc/mail/access < /etc/mail/access"
    source = hub.path("/etc/mail/access")
    source.write_text("Connect:192.0.2 REJECT\n")
    hub.path("/etc/mail/sendmail.mc").write_text("MAILER_DEFINITIONS\n")
    hub("mta", "apply", "sendmail-hub", "--relay-host", "attic", "--edit")
    assert "CN=attic" in source.read_text()
    assert makemap in hub("mta", "apply", "sendmail-hub", "--defaults", "--edit")
    assert source.read_text() == "Connect:192.0.2 REJECT\n"
    assert makemap not in hub("mta", "apply", "sendmail-hub", "--plaintext", "--edit")


def test_settings_count_for_what_no_option_says(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--mechanism", "CRAM-MD5")
    hub.configure(f'{CONFIG}[mta]\nmechanisms = ["SCRAM-SHA-256"]\nrelay_hosts = ["attic"]\n')
    hub("mta", "apply", "sendmail-hub")
    assert offered(hub) == "CRAM-MD5"
    assert "CN=attic" in said(hub, ACCESS)
    hub("mta", "apply", "sendmail-hub", "--defaults")
    assert offered(hub) == "SCRAM-SHA-256"


def test_a_refused_run_is_not_remembered(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub")
    hub.path(HUB_M4).write_text("dnl mine\n")
    hub.refuses(73, "mta", "apply", "sendmail-hub", "--plaintext")
    hub("mta", "apply", "sendmail-hub", "--force")
    assert "PLAIN" not in offered(hub)


def test_secrets_are_not_remembered(hub: Admin) -> None:
    source = hub.secret("given", hub("sasl", "show", "maildroid", "--reveal").strip().encode())
    told = hub.json("mta", "apply", "sendmail-client", "--host", "attic", "--password", source)
    assert told["options"] == "--host attic"
    assert of_client(hub) == []


def of_client(hub: Admin) -> list[str]:
    found = hub.run("--json", "mta", "check", "sendmail-client").data["findings"]
    return [f["path"] for f in found if "smtpcreds/" in f["path"] or "auth-info" in f["path"]]


def test_a_set_up_again_keeps_them(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--saslauthd")
    hub("setup", "dmzmail", "--mta", "sendmail", "--no-passphrase")
    assert "pwcheck_method: auxprop saslauthd" in said(hub, SASL_CONF)


@pytest.mark.parametrize("program", ["sendmail-hub", "postfix-hub"])
def test_who_revokes_a_host_is_told_that_it_may_relay(hub: Admin, program: str) -> None:
    """Nothing else of the hub was checked any more, and the way out was another certificate for the host."""
    for name in ("group", "passwd"):
        hub.path(f"/etc/{name}").write_text("postfix:x:114:114::/var/spool/postfix:/bin/false\n")
    hub("mta", "apply", program, "--relay-host", "attic", "--relay-host", "tuba")
    told = hub("cert", "revoke", "attic").err
    command = f"smtpcreds mta apply {program} --defaults --relay-host tuba"
    assert f"{program}: was applied with --relay-host attic.polkatistas.org; {command}" in told
    checked = hub.run("mta", "check", program)
    assert checked.status == 1
    assert "attic.polkatistas.org: may not relay, " in checked.err
    hub(*command.split()[1:])
    assert "attic" not in hub.run("mta", "check", program).err
    hub("cert", "issue", "tuba", "--force")
    assert "was applied" not in hub("cert", "revoke", "tuba", "--reason", "superseded").err


def test_who_retires_a_host_is_told_that_it_may_relay(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--plaintext", "--relay-host", "attic", "--relay-host", "tuba")
    told = hub("cert", "retire", "attic").err
    command = "smtpcreds mta apply sendmail-hub --defaults --plaintext --relay-host tuba"
    assert f"sendmail-hub: was applied with --relay-host attic.polkatistas.org; {command}" in told
    hub(*command.split()[1:])
    assert of_files(hub) == []


@pytest.mark.parametrize("number", [1, 2])
def test_a_killed_run_is_completed_as_it_was_meant(hub: Admin, number: int) -> None:
    assert hub.killed(f"renameat:signal=KILL:when={number}", "mta", "apply", "sendmail-hub", "--plaintext")
    hub("mta", "apply", "sendmail-hub")
    assert "PLAIN LOGIN" in offered(hub)
    assert of_files(hub) == []


KEEP = "and no longer once this takes effect; to keep: smtpcreds mta apply"
OFFERS = [
    ("O AuthMechanisms=LOGIN PLAIN\n", "", "LOGIN, PLAIN: offered now", "--plaintext"),
    (
        "O AuthMechanisms=LOGIN PLAIN CRAM-MD5\n",
        "mech_list: login cram-md5\n",
        "LOGIN: offered now",
        "--plaintext",
    ),
    (
        "O AuthMechanisms=SCRAM-SHA-1\n",
        "",
        "SCRAM-SHA-1: offered now",
        "--mechanism SCRAM-SHA-256 --mechanism SCRAM-SHA-1 --mechanism DIGEST-MD5 --mechanism CRAM-MD5",
    ),
]


@pytest.mark.parametrize(("cf", "conf", "told", "keep"), OFFERS, ids=["both", "limited", "other"])
def test_what_an_adopted_hub_offered_is_not_taken_away_without_a_word(
    hub: Admin, cf: str, conf: str, told: str, keep: str
) -> None:
    hub.write("/etc/mail/sendmail.cf", cf, 0o644)
    if conf:
        hub.write(SASL_CONF, conf, 0o644)
    warning = (
        f"{told}, and no longer once this takes effect; to keep: smtpcreds mta apply sendmail-hub {keep}"
    )
    for words in (
        ("-n", "mta", "apply", "sendmail-hub", "--force"),
        ("mta", "apply", "sendmail-hub", "--force"),
    ):
        assert hub(*words).warnings == [warning]
    assert hub("mta", "apply", "sendmail-hub", *keep.split()).warnings == []


def test_postfix_that_offers_plain_and_login_is_asked_too(hub: Admin) -> None:
    hub.write("/etc/group", "postfix:x:12345:\n", 0o644)
    hub.write("/etc/postfix/main.cf", "smtpd_sasl_auth_enable = yes\n", 0o644)
    told = hub("mta", "apply", "postfix-hub").warnings
    assert told == [f"LOGIN, PLAIN: offered now, {KEEP} postfix-hub --plaintext"]


def test_login_accounts_come_besides_those_of_the_database(hub: Admin) -> None:
    hub("mta", "apply", "sendmail-hub", "--saslauthd")
    assert offered(hub) == "SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN"
    assert said(hub, SASL_CONF).startswith(
        "pwcheck_method: auxprop saslauthd\nauxprop_plugin: sasldb\nsasldb_path: /etc/sasldb2\n"
    )
    hub("mta", "apply", "sendmail-hub", "--mechanism", "SCRAM-SHA-256")
    assert offered(hub) == "SCRAM-SHA-256 PLAIN LOGIN"
    hub("mta", "apply", "sendmail-hub", "--mechanism", "PLAIN")
    assert offered(hub) == "PLAIN"


DAEMONS = [
    ("", "587", ""),
    ("", "465", ""),
    ("DAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl\n", "587", ""),
    (
        "FEATURE(`no_default_msa')dnl\nDAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl\n",
        "587",
        "add the line DAEMON_OPTIONS(`Port=587, Name=MTA-587')dnl",
    ),
    (
        "DAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl\n",
        "465",
        "add the line DAEMON_OPTIONS(`Port=465, Name=MTA-465, M=s')dnl",
    ),
    ("DAEMON_OPTIONS(`Port=smtps, Name=T, M=s')dnl\n", "465", ""),
]


@pytest.mark.parametrize(("source", "port", "cure"), DAEMONS)
def test_the_port_of_a_hub_is_one_that_its_daemon_listens_on(
    hub: Admin, source: str, port: str, cure: str
) -> None:
    hub.write("/etc/mail/sendmail.mc", source, 0o644)
    found = hub.json("mta", "apply", "sendmail-hub", "--port", port)["unmet"]
    assert [f["hint"] for f in found] == ([cure] if cure else [])


def test_what_is_named_is_all_whatever_the_settings_add(hub: Admin) -> None:
    hub.configure(f"{CONFIG}[mta]\nplaintext = true\nexternal = true\nrelay_certificates = true\n")
    hub("mta", "apply", "sendmail-hub", "--mechanism", "CRAM-MD5", "--relay-host", "attic")
    assert offered(hub) == "CRAM-MD5"
    assert "CertSubject:/CN=attic" in said(hub, ACCESS)
    hub.configure(f'{CONFIG}[mta]\nmechanisms = ["SCRAM-SHA-512"]\n')
    hub("mta", "apply", "sendmail-hub", "--defaults", "--plaintext")
    assert offered(hub) == "SCRAM-SHA-512 PLAIN LOGIN"


def test_the_hub_of_a_client_host_is_remembered_by_audit_too(hub: Admin) -> None:
    """What --hub says is the realm of a bare name; the cure was a secret for the configured hub."""
    hub("sasl", "add", "maildroid@mx.polkatistas.org")
    hub("mta", "apply", "sendmail-client", "--host", "attic", "--hub", "mx")
    audit = hub.run("--json", "audit").data
    assert not [f for f in audit["findings"] if f["code"] == "MTA012"]
    assert not hub.json("mta", "apply", "sendmail-client")["changed"]


ATTIC = "--host attic"
ROLES = {
    "postfix-hub": "--saslauthd --relay-host attic --with hash --with unchrooted",
    "exim-hub": "--plaintext --external --relay-certificates --with split",
    "dovecot-hub": "--plaintext --with clear",
    "sendmail-client": f"{ATTIC} --mechanism CRAM-MD5 --with authinfo-map --port 587 --crl",
    "postfix-client": f"{ATTIC} --plaintext --with hash --port 465",
    "exim-client": f"{ATTIC} --mechanism PLAIN --with auth-optional --port 465",
    "opensmtpd-client": f"{ATTIC} --plaintext --port 465",
    "msmtp": f"{ATTIC} --mechanism PLAIN --port 465 --crl",
    "nullmailer": f"{ATTIC} --plaintext --port 587 --crl",
    "dma": f"{ATTIC} --port 587 --fingerprint {'5e' * 32}",
    "curl": f"{ATTIC} --plaintext --port 587 --crl",
    "swaks": f"{ATTIC} --mechanism LOGIN --port 587",
}
"""Each program but Sendmail as the hub, with what is told to it, in the order in which that is remembered."""
USERS = ("postfix", "Debian-exim", "dovecot", "opensmtpd", "nullmailer")


def add_users(hub: Admin) -> None:
    """Let the host know whom the mail programs run as."""
    for file in ("passwd", "group"):
        lines = [f"{user}:x:{300 + n}:{300 + n}::/:\n" for n, user in enumerate(USERS)]
        hub.write(f"/etc/{file}", Path(f"/etc/{file}").read_text() + "".join(lines), 0o644)


@pytest.mark.parametrize("name", ROLES)
def test_every_role_keeps_what_it_was_told(hub: Admin, name: str) -> None:
    add_users(hub)
    hub("mta", "apply", name, *ROLES[name].split())
    assert hub.json("mta", "render", name)["options"].split() == ROLES[name].split()
    assert hub("mta", "diff", name) == ""
    assert hub("-n", "mta", "apply", name).out == "nothing to do\n"
    for verb in ("audit", "status"):
        assert f"mta apply {name}" not in hub.run("--json", verb).out
    other = ("--mechanism", "PLAIN") if name.endswith("-hub") else ("--port", "2525")
    hub("mta", "apply", name, *other)
    remembered = hub.json("mta", "render", name)["options"].split()
    assert remembered.count(other[0]) == 1
    assert remembered[remembered.index(other[0]) + 1] == other[1]
    gone = {"--plaintext", "--external"} if name.endswith("-hub") else {"465", "587"}
    assert not gone & set(remembered)
    assert hub("mta", "diff", name) == ""
    kept = [*(ATTIC.split() if "--host" in remembered else ()), *({"--plaintext"} & set(remembered))]
    hub("mta", "apply", name, "--defaults", *kept)
    assert hub.json("mta", "render", name)["options"].split() == kept


OF_SENDMAIL = "--plaintext --external --saslauthd --relay-host attic --access 'Try_TLS:old.example.org NO'"
RENEWED = ("cert", "renew", HUB, "attic", "tuba")
HAVE_COPIES = {"exim-hub", "exim-client", "msmtp", "nullmailer"}
"""Whose files are others once a certificate is."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_renewals_keep_what_every_role_was_told(hub: Admin, name: str) -> None:
    """Also where the command is typed that their answer ends with."""
    add_users(hub)
    told = shlex.split(ROLES.get(name, OF_SENDMAIL))
    hub("mta", "apply", name, *told)
    before = shlex.split(hub.json("mta", "render", name)["options"])
    assert sorted(before) == sorted(told)
    for later, words in (("+0 days", RENEWED), ("+250 days", ("cert", "renew", "--due"))):
        now = hub.at(later)
        done = now.json(*words)
        assert len(done["certificates"]) == len(RENEWED) - 2
        commands = [shlex.split(command) for command in done.get("apply", [])]
        assert [command[-3:] for command in commands] == [["mta", "apply", name]] * (name in HAVE_COPIES)
        for command in commands:
            now(*command[-3:])
        assert shlex.split(now.json("mta", "render", name)["options"]) == before
        assert now("mta", "diff", name) == ""


def losing_the_inventory(hub: Admin, program: str) -> None:
    """Let hosts relay by certificate, lose the inventory, and begin it anew as the hint says."""
    hub("mta", "apply", program, "--relay-host", "attic", "--relay-host", "tuba", *EDITS[program])
    for path in hub.path("/var/lib/smtpcreds").glob("inventory.sqlite3*"):
        path.unlink()
    hub("ca", "crl")


EDITS = {"sendmail-hub": ("--edit",), "postfix-hub": ()}


def test_who_relays_by_certificate_is_not_cut_off_by_the_run_after_a_lost_inventory(hub: Admin) -> None:
    """The options went with it, so that a plain run would take the rules away."""
    source = hub.path("/etc/mail/access")
    source.write_text("Connect:192.0.2 REJECT\n")
    hub.path("/etc/mail/sendmail.mc").write_text("MAILER_DEFINITIONS\n")
    losing_the_inventory(hub, "sendmail-hub")
    before = source.read_text()
    assert "CN=attic" in before
    said = hub.refuses(73, "mta", "apply", "sendmail-hub", "--edit")
    assert "/etc/mail/access: has lines of a run that this inventory does not know" in said
    assert source.read_text() == before
    wrong = hub.run("--json", "mta", "check", "sendmail-hub").data["findings"]
    found = [f for f in wrong if "\tRELAY" in f["what"] or "\tSUBJECT" in f["what"]]
    assert len(found) == 3, found
    assert all("is not known to this inventory" in f["what"] for f in found)
    assert all("with the options that it was made with" in f["hint"] for f in found)
    hub("cert", "issue", "attic", "tuba", "--force")
    hub("mta", "apply", "sendmail-hub", "--edit", "--relay-host", "attic", "--relay-host", "tuba")
    assert source.read_text() == before
    hub("mta", "apply", "sendmail-hub", "--edit", "--defaults")
    assert "CN=attic" not in source.read_text()


def test_the_cure_after_a_lost_inventory_names_the_options(hub: Admin) -> None:
    for name in ("group", "passwd"):
        hub.path(f"/etc/{name}").write_text("postfix:x:114:114::/var/spool/postfix:/bin/false\n")
    losing_the_inventory(hub, "postfix-hub")
    found = {f["path"]: f["hint"] for f in hub.run("--json", "mta", "check", "postfix-hub").data["findings"]}
    table = str(hub.path("/etc/postfix/smtpcreds/relay_clientcerts"))
    assert found[table].endswith("--force, with the options that it was made with")
    assert "relay_clientcerts: was not written by smtpcreds" in hub.refuses(73, "mta", "apply", "postfix-hub")
