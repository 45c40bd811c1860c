"""Parsers of what stands on a host, in an address, or in an archive of the authority; see :mod:`.parsers`."""

import re
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

from admin import CONFIG, Admin
from mta.facts import FACTS

from smtpcreds.accounts.rotation import parse_after
from smtpcreds.accounts.table import parse_columns
from smtpcreds.bundle import archive
from smtpcreds.bundle.backup import open_backup
from smtpcreds.bundle.contents import grown, read_settings
from smtpcreds.bundle.pull import parse_have, parse_key
from smtpcreds.config import Settings, Site
from smtpcreds.deploy.options import parse_words
from smtpcreds.dns import parse_resolver
from smtpcreds.errors import SmtpcredsError
from smtpcreds.inventory.inventory import read_snapshot
from smtpcreds.model import Root, parse_account
from smtpcreds.mta import (
    dovecot,
    exim,
    exim_rules,
    main_cf_values,
    nullmailer,
    placed,
    postfix,
    postfix_rules,
    postfix_tables,
    sendmail,
    sendmail_daemon,
)  # fmt: skip
from smtpcreds.mta.access import parse_rule
from smtpcreds.mta.program import File, Program, octets
from smtpcreds.mta.programs import PROGRAMS
from smtpcreds.names import parse_host
from smtpcreds.passwords.hashes import parse_scram
from smtpcreds.pkcs11 import KeyUri
from smtpcreds.pki.keys import parse_key_type
from smtpcreds.pki.names import parse_part
from smtpcreds.pki.profiles import parse_profile
from smtpcreds.pki.revocation import parse_reason
from smtpcreds.pki.tlsa import parse_association
from smtpcreds.postgres import parse_url
from smtpcreds.probe.asked import address_of, parse_mailbox, parse_mechanism, parse_name, parse_target
from smtpcreds.sasldb import bdb, slack
from smtpcreds.systems import DEBIAN, named

from . import alter

Parse = Callable[[bytes], object]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _text(*parses: Callable[[str], object]) -> Parse:
    return lambda data: [_given(parse(data.decode(errors="surrogateescape"))) for parse in parses]


def _given(found: object) -> object:
    return list(found) if isinstance(found, Iterable) and not isinstance(found, (str, bytes)) else found


def _first(parse: Callable[[str], object]) -> Callable[[str], object]:
    """A value is one line; what has more is none."""
    return lambda text: parse(text.partition("\n")[0])


# What an audit reads.

_OTHER = "passdb {\n  driver = passwd\n}\n!include_try conf.d/*.conf\n"
_EXIM = """ADDRESSES = 10.0.0.0/8 : \\
   192.0.2.1
.ifdef ADDRESSES
hostlist relay_from_hosts = ADDRESSES : !*.example
.else
hostlist relay_from_hosts =
.endif
.include_if_exists /etc/exim4/more
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
  deny  !authenticated = *
        message = who are you
  accept hosts = +relay_from_hosts
         condition = ${if eq{$tls_in_cipher}{}{no}{yes}}
         control = submission/sender_retain
  require verify = recipient
begin routers
smarthost:
  driver = manualroute
  domains = ! +local_domains
  route_list = * hub.example::587 byname
begin transports
remote_smtp:
  driver = smtp
  hosts_require_tls = *
  hosts_require_auth = <; hub.example ; 192.0.2.1
begin authenticators
scram:
  driver = cyrus_sasl
  public_name = SCRAM-SHA-256
  server_advertise_condition = ${if def:tls_in_cipher}
"""
_DOVECOT = """dovecot_config_version = 2.4.1
dovecot_storage_version = 2.4.1
ssl_server_cert_file = /a
auth_mechanisms = scram-sha-256 plain
passdb passwd-file {
  passwd_file_path = /etc/users
  default_password_scheme = SCRAM-SHA-256
}
protocol submission {
  auth_username_format = %{user|lower}
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
  }
}
"""
_MC = """dnl x
include(`/etc/mail/tls/starttls.m4')dnl
include(`/etc/mail/smtpcreds.m4')dnl
define(`confAUTH_OPTIONS', `A p y')dnl
DAEMON_OPTIONS(`Port=smtp, Addr=127.0.0.1, Name=MTA, M=Ea')dnl
DAEMON_OPTIONS(`Family=inet6, Port=587, Name=MSP-v6')dnl
CLIENT_OPTIONS(`Family=inet, Address=0.0.0.0')dnl
FEATURE(`authinfo', `hash /etc/mail/authinfo')dnl
MAILER(`smtp')dnl
"""
_CF = "O DaemonPortOptions=Port=smtp, Addr=127.0.0.1, Name=MTA\nO ClientPortOptions=Family=inet, M=A\n"
_MAIN = """smtpd_tls_security_level = may
smtpd_tls_mandatory_protocols = >=TLSv1.2, !SSLv3
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks
  { check_client_access inline:{{192.0.2.1 = OK}} }, reject
relayhost = [${hub?{$hub}:{hub.example}}]:587
hub = ${mydomain}
"""
_MASTER = "smtp inet n - y - - smtpd\n  -o { mynetworks = 192.0.2.0/24 }\nx unix - - n - - smtp\n"
_PATTERNS = "/^192\\.0\\.2\\./ OK\n!/x/i REJECT no\nif /a/\n/b/ DUNNO\nendif\n"
_NETWORKS = "192.0.2.0/24 OK\n2001:db8::/32 REJECT\n!10.0.0.0/8 x\nif 10.0.0.0/8\n10.1.1.1 OK\nendif\n"


def _main_cf(text: str) -> object:
    raw = {name: value for name, _, value in (line.partition(" = ") for line in text.split("\n"))}
    values = [main_cf_values.expand(value, lambda name: raw.get(name, "")) for value in raw.values()]
    return values, postfix.in_force(text), postfix.without(text, {"hub"})


def _mc(text: str) -> object:
    own = [sendmail_daemon.parse(line) for line in sendmail_daemon.in_source(text)]
    lines = [sendmail_daemon.without(line, "a") for line in sendmail_daemon.in_source(text)]
    below = list(sendmail.undoing(text, "/etc/mail/smtpcreds.m4", {"confAUTH_OPTIONS"}))
    included = [sendmail.included_by(line) for line in text.split("\n")]
    return own, lines, below, included, sendmail_daemon.opened(text, 587)


def _cf(text: str) -> object:
    return [
        sendmail_daemon.parse(line)
        for read in (sendmail_daemon.in_result, sendmail_daemon.of_client)
        for line in read(text)
    ]


def _exim(text: str) -> object:
    whole = exim.expand(text, {"/etc/exim4/more": _EXIM}.get)
    words = [exim_rules.elsewhere(line.rpartition("=")[2].strip()) for line in whole.split("\n")]
    return words, list(exim_rules.in_force(whole)), exim_rules.parse(whole), exim.parse_configuration(whole)


def _dovecot(text: str) -> object:
    whole = dovecot.expand(dovecot.CONFIGURATION, text, lambda pattern: [(pattern, _OTHER)])
    return dovecot.version_of(whole), [
        dovecot.parse_configuration(whole, is_new=is_new) for is_new in (None, False, True)
    ]


def _told(path: str, content: bytes) -> object:
    return placed.parse(PROGRAMS["postfix-hub"], DEBIAN, path, content)


def _typed(text: str) -> object:
    """Words of the command line; each has its own reader, and one refuses what another takes."""
    readers: tuple[Callable[[str], object], ...] = (
        parse_key_type,
        parse_profile,
        parse_reason,
        parse_mechanism,
        lambda word: parse_after(word, NOW),
        lambda word: parse_target(_site(), word),
        lambda word: parse_name(_site(), word),
    )
    found = []
    for reader in readers:
        with suppress(SmtpcredsError):
            found.append(reader(text))
    return found


def _debconf(text: str) -> object:
    return exim.closed_interfaces(text), exim.is_local_only(text)


_KEY = b64encode(bytes(32)).decode()
_URL = "postgresql://admin@db.example:5432,[2001:db8::1]:5433/mail?sslmode=verify-full&hostaddr=192.0.2.1"
_ROWS: dict[str, tuple[Parse, str]] = {
    "main.cf in force": (_text(_main_cf), _MAIN),
    "master.cf in the chroot": (_text(lambda text: postfix.servers(text, _MAIN)), _MASTER),
    "patterns of Postfix": (_text(postfix_tables.patterns), _PATTERNS),
    "networks of Postfix": (_text(postfix_tables.networks), _NETWORKS),
    "tables in a value of Postfix": (
        _text(postfix_tables.inline, postfix_tables.static),
        "{ { a.example = OK }, { b = REJECT x } }",
    ),
    "protocols of Postfix": (_text(postfix_rules.versions), ">=TLSv1.2, !SSLv3 <=TLSv1.3"),
    "password of Postfix": (
        lambda data: postfix.parse_password(data, "file"),
        "[hub.example]:587 joe:S3cret\n",
    ),
    "rules of Exim": (_text(_exim), _EXIM),
    "answers of Debian's Exim": (
        _text(_debconf),
        "dc_eximconfig_configtype='local'\ndc_local_interfaces='127.0.0.1 ; ::1'\n",
    ),
    "blocks of Dovecot 2.4": (_text(_dovecot), _DOVECOT),
    "daemons in sendmail.mc": (_text(_mc), _MC),
    "files of a hub as its system calls them": (
        lambda data: _told("/etc/postfix/smtpcreds-main.cf", data),
        "smtpd_tls_key_file = /a\n",
    ),
    "rule of an access map": (_text(parse_rule), "TLS_Srv:hub.example VERIFY:256"),
    "words that are typed": (_text(_typed), "smtps://joe@hub.example:465"),
    "lifetime that is typed": (_text(_typed), "90d"),
    "daemons in sendmail.cf": (_text(_cf), _CF),
    "records of a source": (
        lambda data: sendmail.records(data, "file"),
        "Connect:192.0.2\tRELAY\nTLS_Srv:hub VERIFY\n# x\n",
    ),
    "nullmailer's sample": (nullmailer.is_sample, "mail.example.org smtp\n"),
    "os-release": (_text(named), 'NAME="Debian"\nID=debian\nID_LIKE="x debian"\nVERSION_ID="12"\n'),
    "public key of ssh": (
        _text(lambda text: parse_key(text, "file")),
        "# x\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHq0Dg0PZMlGrVhBzuVJqKx7p8t0wDRE9Zp0dIwq3yK3 root@a\n",
    ),
    "what a host has": (parse_have, f"have {'5e' * 32}\n"),
    "settings of a bundle": (lambda data: read_settings(data, "file"), 'domain = "x.org"\nhub = "h.x.org"\n'),
    "settings of a client host": (
        lambda data: grown(data, Settings(hub="h.x.org"), Settings(hub="h.x.org", domain="x.org")),
        'hub = "h.x.org"\n',
    ),
    "options that are remembered": (_text(parse_words), "--mechanism SCRAM-SHA-256 --port 587"),
    "columns": (_text(parse_columns), "user, password,-,realm"),
    "resolver": (_text(parse_resolver), "[2001:db8::1]:53"),
    "database URL": (_text(_first(parse_url)), _URL),
    "token URI": (
        _text(_first(KeyUri.parse)),
        "pkcs11:token=a%20b;serial=1;object=x;id=%01%02;type=private?module-path=/usr/lib/x.so",
    ),
    "TLSA record": (_text(parse_association), f"3 1 1 {'ab' * 32}"),
    "host name": (_text(_first(parse_host)), "büro.polkatistas.org"),
    "account": (_text(lambda text: parse_account(text, "hub.example")), "joe@hub.example"),
    "mailbox": (_text(parse_mailbox, address_of), "joe@hub.example"),
    "part of a DN": (_text(lambda text: parse_part(text, "name")), "Polkatistas Mail CA"),
    "SCRAM keys": (parse_scram, f"SCRAM-SHA-256$4096:QUFBQQ==${_KEY}:{_KEY}"),
}


# The files of each mail program, as it is told where they are: a path, a NUL, the content.


def _of_program(program: Program) -> tuple[Parse, Callable[[], list[bytes]], alter.Alter]:
    def parse(data: bytes) -> object:
        path, _, content = data.partition(b"\0")
        return program.parse(path.decode(), content)

    def sound() -> list[bytes]:
        files = (item for item in program.render(FACTS) if isinstance(item, File))
        return [item.path.encode() + b"\0" + octets(item.content) for item in files]

    def altered(data: bytes, dice: Random) -> bytes:
        path, _, content = data.partition(b"\0")
        return path + b"\0" + alter.text(content, dice)

    return parse, sound, altered


# A backup: members that are altered under a new sum, so that what is in them is read.


def _site() -> Site:
    return Site(Root("/nonexistent"), Settings(), lambda: NOW, lambda _: None)


def _opened(data: bytes) -> object:
    return open_backup(_site(), data, "file")


@cache
def _backup() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        admin = Admin(Path(directory) / "root")
        admin.configure(CONFIG)
        admin("ca", "init", "--no-passphrase")
        admin("cert", "issue", "dmzmail", "attic")
        return admin("ca", "backup", "-").octets


def _members(data: bytes) -> tuple[str, list[archive.Member]]:
    found = re.fullmatch(r"\d+ comment=(.*) sha256=(\w+)\n\0*", archive.comment_of(data).decode())
    assert found
    return found[1], list(archive.members_of(data, found[2], "file", 1000, 1 << 30))


def _crafted(data: bytes, dice: Random) -> bytes:
    """Alter a member or its name, exchange two, leave one out, or alter what the archive says of itself."""
    comment, members = _members(data)
    at, other = dice.randrange(len(members)), dice.randrange(len(members))
    one = members[at]
    kind = dice.randrange(8)
    if kind == 0:
        del members[at]
    elif kind >= 6:
        place = dice.randrange(len(comment))
        comment = comment[:place] + dice.choice("0179-:ZT x=") + comment[place + 1 :]
    elif kind == 1:
        members[at], members[other] = (
            archive.Member(one.path, one.mode, members[other].content, one.kind, one.target),
            archive.Member(members[other].path, one.mode, one.content, one.kind, one.target),
        )
    elif kind == 2:
        path = dice.choice(
            (f"../{one.path}", f"/{one.path}", f"{one.path}/x", f"{one.path}-wal", "state/a/b")
        )
        members[at] = archive.Member(path, one.mode, one.content, one.kind, one.target)
    else:
        content = alter.either(alter.octets, alter.text)(one.content, dice)
        members[at] = archive.Member(one.path, one.mode, content, one.kind, one.target)
    return archive.tar_of(comment, members, NOW)


@cache
def _inventory() -> bytes:
    return next(one.content for one in _members(_backup())[1] if one.path.endswith(".sqlite3"))


def _read_inventory(data: bytes) -> object:
    with read_snapshot(data, "file") as inventory:
        inventory.verify_integrity()
        return list(inventory.listing()), inventory.chain()


def _pages(data: bytes, dice: Random) -> bytes:
    """Alter octets of a page of SQLite; its first 100 tell what the rest is."""
    made = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        made[dice.choice((dice.randrange(100), dice.randrange(len(made))))] = dice.randrange(256)
    return bytes(made[: dice.choice((len(made),) * 9 + (dice.randrange(len(made)),))])


def more(berkeley: bytes) -> dict[str, tuple[Parse, Callable[[], list[bytes]], alter.Alter]]:
    """Return the parsers by name: what reads, sound files, what alters them.

    Args:
        berkeley: a sound file of Berkeley DB.
    """
    return {
        **{
            name: (parse, lambda sound=sound: [sound.encode()], alter.text)  # type: ignore[misc]
            for name, (parse, sound) in _ROWS.items()
        },
        **{f"files of {name}": _of_program(program) for name, program in PROGRAMS.items()},
        "backup": (_opened, lambda: [_backup()], alter.either(alter.tar, alter.octets, _crafted, _crafted)),
        "inventory": (_read_inventory, lambda: [_inventory()], _pages),
        "sasldb Berkeley DB, wholly": (bdb.decode, lambda: [berkeley], alter.octets),
        "unused space": (lambda data: slack.leftovers(data, "file"), lambda: [berkeley], alter.octets),
    }
