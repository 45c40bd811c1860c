"""``--edit``: our lines in the administrator's own files, and what these said before kept beside them."""

from pathlib import Path

import pytest
from admin import HUB, Admin, snapshot

MC, ACCESS = "/etc/mail/sendmail.mc", "/etc/mail/access"
RHEL = "DAEMON_OPTIONS(`Port=smtp,Addr=127.0.0.1, Name=MTA')dnl"
DEBIAN = "DAEMON_OPTIONS(`Family=inet,  Name=MTA-v4, Port=smtp, Addr=127.0.0.1')dnl"
SUBMISSION = "DAEMON_OPTIONS(`Family=inet,  Name=MSP-v4, Port=submission, M=Ea, Addr=127.0.0.1')dnl"
V6 = "DAEMON_OPTIONS(`Family=inet6, Name=MTA-v6, Port=smtp, Addr=::1')dnl"
COMMENT = f"dnl {V6}"
INCLUDE = "include(`/etc/mail/smtpcreds/hub.m4')dnl"
MAILERS = "MAILER_DEFINITIONS\nMAILER(`local')dnl\nMAILER(`smtp')dnl\n"


def edited(hub: Admin, *lines: str) -> list[str]:
    """Return the lines of a sendmail.mc behind the edit, without those of the mailers."""
    hub.write(MC, "".join(f"{line}\n" for line in lines) + MAILERS, 0o640)
    hub("mta", "apply", "sendmail-hub", "--edit")
    text = hub.path(MC).read_text()
    assert text.endswith(f"{INCLUDE}\n{MAILERS}")
    return text.removesuffix(f"{INCLUDE}\n{MAILERS}").splitlines()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([RHEL], ["DAEMON_OPTIONS(`Port=smtp, Name=MTA')dnl"]),
        ([COMMENT, DEBIAN, SUBMISSION], [COMMENT, DEBIAN.replace(", Addr=127.0.0.1", ""), SUBMISSION]),
        ([DEBIAN, V6], [DEBIAN.replace(", Addr=127.0.0.1", ""), V6.replace(", Addr=::1", "")]),
        ([DEBIAN, "DAEMON_OPTIONS(`Port=25, Addr=192.0.2.1')dnl"],) * 2,
        ([],) * 2,
    ],
)
def test_only_what_keeps_client_hosts_away_is_taken_out(
    hub: Admin, before: list[str], after: list[str]
) -> None:
    assert edited(hub, *before) == after


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("DAEMON_OPTIONS(`Addr=localhost')dnl", "makes Sendmail listen on port 25 of this host alone"),
        (SUBMISSION, "makes Sendmail listen on other ports than 25"),
    ],
)
def test_what_an_edit_does_not_open_is_refused(hub: Admin, line: str, reason: str) -> None:
    hub.write(MC, f"{line}\n{MAILERS}", 0o640)
    assert reason in hub.refuses(78, "mta", "apply", "sendmail-hub", "--edit")


def test_the_former_files_are_kept_with_owner_and_mode(hub: Admin) -> None:
    for number in (1, 2):
        edited(hub, DEBIAN, f"dnl {number}")
        kept = hub.path(f"{MC}.~{number}~")
        assert kept.read_text() == f"{DEBIAN}\ndnl {number}\n{MAILERS}"
        assert hub.mode(f"{MC}.~{number}~") == hub.mode(MC) == 0o640


def test_octets_that_are_no_utf8_stay(hub: Admin) -> None:
    hub.write(MC, MAILERS, 0o644)
    hub.path(MC).write_bytes(b"dnl M\xfcller\n" + MAILERS.encode())
    hub("mta", "apply", "sendmail-hub", "--edit")
    assert hub.path(MC).read_bytes().startswith(b"dnl M\xfcller\n")


def test_lines_that_are_no_longer_wanted_go(hub: Admin) -> None:
    hub.write(MC, MAILERS, 0o644)
    hub.write(ACCESS, "192.0.2 RELAY\n", 0o600)
    for rule, other in (("one", "two"), ("two", "one")):
        hub("mta", "apply", "sendmail-hub", "--edit", "--access", f"Try_TLS:{rule}.example.org NO")
        text = hub.path(ACCESS).read_text()
        assert text.startswith("192.0.2 RELAY\n# smtpcreds: begin\n")
        assert f"Try_TLS:{rule}.example.org" in text
        assert f"Try_TLS:{other}.example.org" not in text
    assert hub.path(f"{ACCESS}.~1~").read_text() == "192.0.2 RELAY\n"


def test_what_has_no_place_that_can_be_told_changes_nothing(hub: Admin) -> None:
    hub.write("/etc/group", "Debian-exim:x:12345:\n", 0o644)
    hub.write("/etc/passwd", "Debian-exim:x:12345:12345::/:/bin/sh\n", 0o644)
    hub.write("/etc/exim4/exim4.conf", "begin acl\nacl_check_rcpt:\n  accept\nbegin routers\n", 0o644)
    before = snapshot(hub.root)
    refused = hub.refuses(78, "mta", "apply", "exim-hub", "--with", "hand-written", "--edit")
    assert "has no place for these lines that --edit can find" in refused
    assert snapshot(hub.root) == before


def test_words_that_name_no_program(bare: Admin) -> None:
    for word in ("--edit", "--run"):
        assert f"{word}: is about the files of a mail program" in bare.refuses(64, "setup", HUB, word)


def test_run_is_for_this_host_and_refused_before_anything_is_made(bare: Admin) -> None:
    refused = bare.refuses(64, "setup", HUB, "--no-passphrase", "--mta", "sendmail", "--run")
    assert "runs commands of this host, not of another root" in refused
    assert not bare.root.exists()


SAMPLE = "sendmail\nsendmail\nsendmailpwd\ndmzmail.polkatistas.org\n\n"


def test_the_sample_of_a_package_is_nobodys_file(hub: Admin) -> None:
    path = "/etc/mail/default-auth-info"
    hub.write(path, SAMPLE, 0o640)
    hub("sasl", "auth-info", "maildroid", "--to", hub.path(path))
    assert hub.path(path).read_text().startswith("maildroid\n")
    assert hub.mode(path) == 0o600
    hub.write(path, SAMPLE.replace("sendmailpwd", "sendmailpwd2"), 0o600)
    hub.refuses(73, "sasl", "auth-info", "maildroid", "--to", hub.path(path))


LOCAL_ONLY = """\
# Debian's answer "Local only"
inet_interfaces = loopback-only
default_transport = error
relay_transport = error
smtpd_relay_restrictions = permit_mynetworks
  # why
  defer_unauth_destination
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
mynetworks = 127.0.0.0/8
"""
COMMENTED = """\
# Debian's answer "Local only"
#inet_interfaces = loopback-only
#default_transport = error
#relay_transport = error
#smtpd_relay_restrictions = permit_mynetworks
  # why
#  defer_unauth_destination
#smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
mynetworks = 127.0.0.0/8
"""


def test_what_postfix_was_told_before_becomes_a_comment(hub: Admin) -> None:
    hub.write("/etc/group", "postfix:x:12345:\n", 0o644)
    hub.write("/etc/postfix/main.cf", LOCAL_ONLY, 0o644)
    printed = hub("mta", "apply", "postfix-hub", "--json").data
    assert {item["what"].split()[1] for item in printed["unmet"]} == {
        "inet_interfaces",
        "default_transport",
        "relay_transport",
    }
    said = hub("mta", "apply", "postfix-hub", "--edit", "--json").data
    assert said["unmet"] == []
    assert said["commands"] == [
        f"chroot {hub.root} {told}" for told in ("postfix reload", "service postfix restart")
    ]
    text = hub.path("/etc/postfix/main.cf").read_text()
    assert text.startswith(COMMENTED + "# /etc/postfix/smtpcreds/hub.cf: begin\n")


def test_postfix_gets_its_lines_once(hub: Admin) -> None:
    hub.write("/etc/group", "postfix:x:12345:\n", 0o644)
    hub.write("/etc/postfix/main.cf", "smtpd_tls_security_level = none\n", 0o644)
    said = hub("mta", "apply", "postfix-hub", "--edit", "--json").data
    edited = [hub.path("/etc/postfix/main.cf"), hub.path("/etc/smtpcreds/smtpcreds.toml")]
    assert [item["path"] for item in said["edited"]] == list(map(str, edited))
    assert said["include"] == []
    text = hub.path("/etc/postfix/main.cf").read_text()
    assert text.count("# /etc/postfix/smtpcreds/hub.cf: begin\n") == 1
    again = hub("mta", "apply", "postfix-hub", "--edit", "--json").data
    assert again["edited"] == []
    hub("mta", "apply", "postfix-hub", "--edit", "--plaintext")
    assert hub.path("/etc/postfix/main.cf").read_text().count("hub.cf: begin\n") == 1


def test_exim_of_debian_is_no_more_told_to_listen_for_itself(hub: Admin) -> None:
    hub.write("/etc/group", "Debian-exim:x:12345:\n", 0o644)
    hub.write("/etc/passwd", "Debian-exim:x:12345:12345::/:/bin/sh\n", 0o644)
    answers = "/etc/exim4/update-exim4.conf.conf"
    hub.write(answers, "dc_local_interfaces='127.0.0.1 ; ::1'\ndc_readhost=''\n", 0o644)
    unmet = hub("mta", "apply", "exim-hub", "--json").data["unmet"]
    assert [item["path"] for item in unmet] == [str(hub.path(answers))]
    hub.write(answers, "dc_local_interfaces='127.0.0.1 ; 192.0.2.1'\n", 0o644)
    assert hub("mta", "apply", "exim-hub", "--json").data["unmet"] == []


def test_a_mail_program_that_is_not_installed_is_edited_before_nothing(hub: Admin, tmp_path: Path) -> None:
    bundle = tmp_path / "attic.tar"
    hub("bundle", "attic", "--mta", "postfix", "-o", bundle)
    client = Admin(tmp_path / "client")
    client.root.mkdir()
    before = snapshot(client.root)
    refused = client.refuses(69, "setup", "--client", bundle, "--edit")
    assert "/etc/postfix: is not there" in refused
    assert "install the mail program first" in refused
    assert snapshot(client.root) == before


STOCK_ROUTERS = "begin routers\n\nsystem_aliases:\n  driver = redirect\n\n"
STOCK_CLIENTS = """\
begin authenticators

cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5

PASSWDLINE=${sg{\\
                {x}\\
           }

plain:
  driver = plaintext
.ifndef ALLOWED
  client_send = "<; ${if x\\
                    {}fail}"
.endif

other:
  driver = plaintext
"""


def test_exims_template_gets_its_lines_and_loses_the_authenticators_that_do_not_go_with_ours(
    hub: Admin, tmp_path: Path
) -> None:
    template = "/etc/exim4/exim4.conf.template"
    account = {"group": "Debian-exim:x:12345:\n", "passwd": "Debian-exim:x:12345:12345::/:/bin/sh\n"}
    for name, line in account.items():
        hub.write(f"/etc/{name}", line, 0o644)
    client = Admin(tmp_path / "client")
    for name, line in account.items():
        client.write(f"/etc/{name}", line, 0o644)
    client.write(template, STOCK_ROUTERS + "begin transports\n\n" + STOCK_CLIENTS, 0o644)
    hub("bundle", "attic", "--mta", "exim", "--plaintext", "-o", tmp_path / "attic.tar")
    said = client("setup", "--client", tmp_path / "attic.tar", "--edit", "--json").data
    assert (said["include"], said["unmet"]) == ([], [])
    text = client.path(template).read_text()
    for section, file in (("routers", "router"), ("transports", "transport"), ("authenticators", "auth")):
        assert f"begin {section}\n.include /etc/exim4/smtpcreds/client-{file}.conf\n" in text
    left = [line for line in text.splitlines() if line and not line.startswith(("#", ".include", "begin"))]
    assert left == [
        *("system_aliases:", "  driver = redirect"),
        *("PASSWDLINE=${sg{\\", "                {x}\\", "           }"),
        *("other:", "  driver = plaintext"),
    ]


def test_a_list_of_exims_that_was_written_by_hand_is_left_to_its_author(hub: Admin) -> None:
    hub.write("/etc/group", "Debian-exim:x:12345:\n", 0o644)
    hub.write("/etc/passwd", "Debian-exim:x:12345:12345::/:/bin/sh\n", 0o644)
    hub("cert", "issue", "attic")
    text = "primary_hostname = x\nbegin authenticators\nbegin acl\nacl_check_rcpt:\n  accept\n"
    hub.write("/etc/exim4/exim4.conf", text, 0o644)
    words = ("mta", "apply", "exim-hub", "--with", "hand-written", "--edit")
    assert "has no place for these lines" in hub.refuses(78, *words, "--relay-host", "attic")
    assert hub.path("/etc/exim4/exim4.conf").read_text() == text
    hub(*words)
    assert hub.path("/etc/exim4/exim4.conf").read_text().startswith("primary_hostname = x\n.include ")


def test_exim_is_told_which_of_debians_files_it_reads(hub: Admin) -> None:
    hub.write("/etc/group", "Debian-exim:x:12345:\n", 0o644)
    hub.write("/etc/passwd", "Debian-exim:x:12345:12345::/:/bin/sh\n", 0o644)
    answers = "/etc/exim4/update-exim4.conf.conf"
    for value, options, way in (("true", (), "--with split"), ("false", ("--with", "split"), "--defaults")):
        hub.write(answers, f"dc_use_split_config='{value}'\n", 0o644)
        unmet = hub("mta", "apply", "exim-hub", "--json", *options).data["unmet"]
        assert [item["hint"].partition(" mta ")[2] for item in unmet] == [f"apply exim-hub {way} --edit"]
        other = ("--defaults",) if options else ("--with", "split")
        assert hub("mta", "apply", "exim-hub", "--json", *other).data["unmet"] == []
