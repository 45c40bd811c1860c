"""Issue 2's list of bad input: one clear line, its exit status, nothing changed on disk."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from admin import CERTS, CONFIG, HUB, INVENTORY, PASSPHRASE, SASLDB, STATE, Admin, peer

from smtpcreds.cli.tree import smtpcreds as program

from .test_hostile_places import options
from .writing import SSH_KEY

WRITERS: list[tuple[str, ...]] = [
    ("sasl", "add", "droid"),
    ("sasl", "passwd", "maildroid"),
    ("sasl", "delete", "maildroid"),
]
READERS: list[tuple[str, ...]] = [
    ("sasl", "list"),
    ("sasl", "show", "maildroid"),
    ("sasl", "auth-info", "maildroid"),
]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("dmz mail", "dmz mail: host name has a character that host names can't have"),
        (" dmzmail", '" dmzmail": host name has a character'),
        (".", ".: host name is empty"),
        ("dmz_mail", "dmz_mail: host name has an underscore"),
        ("dmz..mail", "dmz..mail: host name has an empty label"),
        ("-mail", "-mail: host name has a label that starts or ends with a hyphen"),
        (".".join(["x" * 50] * 5), "is 254 octets long; a host name has at most 253"),
        ("ü" * 60 + ".example.net", "is not an IDNA 2008 name"),
        ("xn--999999999", "has a label that is not valid Punycode"),
        ("192.0.2.1", "192.0.2.1: host name ends in a number, as addresses do"),
        ("dmzmail\n", r'"dmzmail\n": host name has a character'),
        ("../../etc/x", "../../etc/x: host name has"),
        ("mail.example.net", "is outside what the CA may certify (polkatistas.org)"),
    ],
)
def test_host_names(authority: Admin, host: str, said: str) -> None:
    assert said in authority.refuses(65, "cert", "issue", "--", host)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--san", "0.0.0.0"), 65, "0.0.0.0: is not an address of one host"),
        (("--san", "mail.example.net"), 65, "is outside what the CA may certify"),
        (("--days", "99999999999999"), 64, "--days: takes 1 to 999999 days"),
        (("--key-type", "dsa"), 64, "dsa: is not a key type"),
        (("--to", ""), 64, "'--to': is empty"),
        (("--to", "file"), 77, "file: is not a directory"),
        (("--to", "file/below"), 77, "file"),
        (("--from", "/nonexistent"), 66, "/nonexistent: No such file or directory"),
        (("--from", "file"), 65, "file: line 1"),
    ],
)
def test_options_of_cert_issue(authority: Admin, words: tuple[str, ...], status: int, said: str) -> None:
    authority.write("file", "dmz_mail\n")
    assert said in authority.refuses(status, "cert", "issue", "dmzmail", *words)


def test_a_certificate_before_there_is_an_authority(smtpcreds: Admin) -> None:
    assert smtpcreds.refuses(66, "cert", "issue", "dmzmail").startswith(
        f"smtpcreds: {smtpcreds.path(STATE)}/ca: there is no authority yet\n  hint: smtpcreds ca init; or, "
    )


def test_half_an_authority(authority: Admin) -> None:
    authority.path(f"{STATE}/ca/ca-key.pem").unlink()
    said = authority.refuses(65, "cert", "issue", "dmzmail")
    assert "ca-key.pem: is missing from the authority\n  hint: put it back from your backup" in said


@pytest.mark.parametrize(("mode", "said"), [(0o644, "has mode 0644"), (0o620, "has mode 0620")])
def test_an_authority_key_that_others_can_use(authority: Admin, mode: int, said: str) -> None:
    authority.path(f"{STATE}/ca/ca-key.pem").chmod(mode)
    assert said in authority.refuses(77, "cert", "issue", "dmzmail")


def test_a_passphrase_that_does_not_open_the_authority(locked: Admin) -> None:
    locked.write("wrong", "chimp")
    key = locked.path(f"{STATE}/ca/ca-key.pem")
    issue = ("cert", "issue", "dmzmail")
    said = locked.refuses(77, *issue, "--passphrase", "file:wrong")
    assert f"smtpcreds: {key}: the passphrase does not open this key" in said
    assert "chimp" not in said
    assert "is encrypted and no passphrase was given" in locked.refuses(77, *issue)
    assert "it only makes new secrets" in locked.refuses(64, *issue, "--passphrase", "generate:")


def test_a_passphrase_whose_source_is_configured(locked: Admin) -> None:
    locked.write("right", PASSPHRASE)
    locked.configure(CONFIG + '[ca]\npassphrase = "file:right"\n')
    locked("cert", "issue", "dmzmail")


Place = Callable[[Path], object]


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda certs: (certs.rmdir(), certs.symlink_to("/tmp")), "is a symbolic link to /tmp"),
        (lambda certs: os.chown(certs, 65534, 0), "belongs to user nobody\n  hint: chown root "),
        (lambda certs: certs.chmod(0o770), "is writable by its group\n  hint: chmod go-w "),
        (
            lambda certs: certs.parent.chmod(0o775),
            "mail, which is writable by its group\n  hint: chmod go-w ",
        ),
        (lambda certs: os.chown(certs.parent, 65534, 0), "mail, which belongs to user nobody"),
        (lambda certs: (certs.rmdir(), certs.touch()), "is not a directory"),
        (lambda certs: os.symlink("x", certs / "cacert.pem"), "cacert.pem: is a symbolic link"),
    ],
)
def test_certificate_directories(authority: Admin, prepare: Place, said: str) -> None:
    certs = authority.path(CERTS)
    certs.mkdir(parents=True)
    certs.chmod(0o700)
    prepare(certs)
    assert said in authority.refuses(77, "cert", "issue", "dmzmail")


def bdb_185() -> bytes:
    """The head of a Berkeley DB 1.85 hash, as ndbm and FreeBSD write it, big endian."""
    return struct.pack(">II", 0x061561, 2) + bytes(4088)


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 65, "is empty (0 bytes)\n  hint: remove it"),
        (bdb_185(), 65, "is a Berkeley DB 1.85 file (BSD ndbm)"),
        (b"\x13" * 100, 65, "has 100 bytes, too few for any database"),
        (bytes(range(256)) * 40, 65, "is not a database that Cyrus SASL reads"),
        (b"SQLite format 3\0" + bytes(4080), 65, "is an SQLite database, not a sasldb2"),
        (struct.pack("<I", 0x13579ACF) + bytes(600), 65, "sasldb2: "),
        (b"truncated", 65, "is cut off: "),
        (b"damaged", 65, "sasldb2: "),
    ],
)
def test_databases(hub: Admin, content: bytes, status: int, said: str) -> None:
    whole = hub.path(SASLDB).read_bytes()
    cut = {b"truncated": whole[:5000], b"damaged": whole[:4096] + b"\xff" * 26 + whole[4122:]}
    hub.write(SASLDB, cut.get(content, content))
    assert said in hub.refuses(status, "sasl", "add", "droid")


@pytest.mark.parametrize("words", WRITERS + READERS)
def test_every_verb_leaves_a_damaged_database_alone(hub: Admin, words: tuple[str, ...]) -> None:
    hub.write(SASLDB, hub.path(SASLDB).read_bytes()[:5000])
    assert f"smtpcreds: {hub.path(SASLDB)}: is cut off" in hub.refuses(65, *words)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda path: path.symlink_to("nowhere"), "is a symbolic link that leads nowhere"),
        (lambda path: path.mkdir(), "is a directory, not a file"),
        (lambda path: os.mkfifo(path), "is a FIFO, not a file"),
    ],
)
def test_what_is_no_database_file(smtpcreds: Admin, prepare: Place, said: str) -> None:
    smtpcreds.path("/etc").mkdir(exist_ok=True)
    prepare(smtpcreds.path(SASLDB))
    assert said in smtpcreds.refuses(77, "sasl", "add", "droid")


def test_a_second_name_of_the_database_would_keep_old_passwords(hub: Admin) -> None:
    os.link(hub.path(SASLDB), hub.root.parent / "second")
    said = hub.run("sasl", "passwd", "maildroid").problem
    assert "has a second name (hard link), which would keep the old passwords" in said


def test_an_empty_database_of_the_real_format_is_no_bad_input(smtpcreds: Admin) -> None:
    empty = b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\nDATA=END\n"
    smtpcreds.path("/etc").mkdir(exist_ok=True)
    peer("db5.3_load", "-f", "/dev/stdin", smtpcreds.path(SASLDB), stdin=empty)
    smtpcreds("sasl", "add", "maildroid")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('domian = "x.org"', "domian: unknown key\n  hint: did you mean domain?"),
        ('[ca]\nnmae = "x"', "ca.nmae: unknown key\n  hint: did you mean ca.name?"),
        ("domain = 3", "domain: takes a string, not 3"),
        ('domain = "bad domain"', "domain: bad domain: host name has a character"),
        ('domain = "x.org', "is not TOML: "),
        ("[ca]\ndays = 0", "ca.days: takes 1 to 999999 days, not 0"),
        ('state = "var/lib"', "state: takes an absolute path, not 'var/lib'"),
        ('[cert]\ndirectory = "certs"', "cert.directory: takes an absolute path"),
        ('[ca]\npermitted_domains = ["x..y"]', "ca.permitted_domains: x..y: host name has an empty label"),
        ('[sasl]\nmode = "0644"', "sasl.mode: 0644 lets everybody read every secret"),
        ('[sasl]\nowner = "nosuch"', "sasl.owner: there is no user nosuch"),
        ('[sasl]\nformat = "ndbm"', "sasl.format: takes bdb, gdbm, lmdb, not 'ndbm'"),
    ],
)
def test_configurations(smtpcreds: Admin, text: str, said: str) -> None:
    smtpcreds.configure(text)
    path = smtpcreds.path("/etc/smtpcreds/smtpcreds.toml")
    line = 1 + text.startswith("[")
    where = "" if said.startswith("is not TOML") or "nosuch" in said else f"line {line}: "
    assert f"smtpcreds: {path}: {where}{said}" in smtpcreds.refuses(78, "sasl", "add", "maildroid")


def test_a_configuration_that_was_named_must_be_there(bare: Admin) -> None:
    said = bare.refuses(66, "--config", "nowhere.toml", "sasl", "list")
    assert said == "smtpcreds: nowhere.toml: No such file or directory"
    assert ".: is not a regular file" in bare.refuses(77, "--config", ".", "sasl", "list")


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("x")
    ran = Admin(tmp_path / "root").run("setup", HUB)
    assert (ran.status, ran.out) == (77, "")
    assert ran.problem.endswith(": Not a directory")


@pytest.mark.parametrize(
    "words",
    [("cert", "issue", "mx"), ("setup", HUB, "--account", "droid"), ("ca", "init", "--no-passphrase")],
)
def test_a_state_directory_of_a_newer_version(hub: Admin, words: tuple[str, ...]) -> None:
    if words[0] == "ca":
        for path in hub.path(f"{STATE}/ca").iterdir():
            path.unlink()
        hub.path(f"{STATE}/ca").rmdir()
    import sqlite3

    database = sqlite3.connect(hub.path(INVENTORY))
    database.execute("PRAGMA journal_mode = DELETE")
    database.execute("PRAGMA user_version = 99")
    database.close()
    said = hub.refuses(78, *words)
    assert f"smtpcreds: {hub.path(INVENTORY)}: is of version 99; this smtpcreds reads up to version " in said
    assert "hint: use the newer smtpcreds that wrote it" in said


@pytest.mark.parametrize(
    ("prepare", "status", "said"),
    [
        (lambda path: path.write_bytes(b"no database" * 100), 65, "is damaged"),
        (lambda path: path.chmod(0o640), 77, "mode 0640"),
        (lambda path: path.parent.chmod(0o770), 77, "writable by its group"),
        (lambda path: os.chown(path, 65534, 0), 77, "belongs to user"),
    ],
)
def test_inventories(hub: Admin, prepare: Place, status: int, said: str) -> None:
    prepare(hub.path(INVENTORY))
    assert said in hub.refuses(status, "cert", "issue", "mx")


# Numbers, spans and dates beyond what is counted.


def numeric() -> list[tuple[tuple[str, ...], str]]:
    """Return every option of the program that takes a number, with its verb."""
    kinds = (click.types.IntParamType,)
    return [
        (tuple(verb.split()), parameter.opts[0])
        for verb, parameter in options(program)
        if isinstance(parameter.type, kinds) and not getattr(parameter, "hidden", False)
    ]


ARGUMENTS = {
    "bundle": ("attic",), "cert issue": ("mx",), "cert request": ("mx",), "cert sign": ("x.csr",),
    "cert renew": ("dmzmail",), "sasl add": ("joe",), "sasl passwd": ("maildroid",),
    "sasl rotate": ("maildroid",), "sasl import": ("x.csv",), "status": ("--format", "nagios"),
    "cert retire": ("attic",), "ca export": ("--to", "x"),
}  # fmt: skip


@pytest.mark.parametrize(
    "number", ["-1", "0", "9" * 10, "9" * 25, "9" * 5000], ids=["-1", "0", "10", "25", "5000"]
)
@pytest.mark.parametrize(
    ("verb", "option"), numeric(), ids=lambda value: " ".join([*value]) if isinstance(value, tuple) else value
)
def test_no_number_that_is_typed_is_a_bug(
    hub: Admin, verb: tuple[str, ...], option: str, number: str
) -> None:
    """``run`` of the administrator refuses a traceback."""
    name = " ".join(verb)
    words = ARGUMENTS.get(name, ("dmzmail",) if verb[0] in {"tlsa", "probe"} else ())
    if verb[0] == "mta":
        words = ("postfix-hub",)
    ran = hub.run("-n", *verb, *words, option, number)
    assert ran.status in {0, 1, *range(64, 70), *range(71, 79)}, ran


@pytest.mark.parametrize(
    "words",
    [
        ("sasl", "rotate", "maildroid", "--after", "9999-12-31T23:59:59-23:59"),
        ("sasl", "rotate", "maildroid", "--after", "0001-01-01T00:00:00+23:59"),
        ("inventory", "events", "--since", "999999w"),
        ("cert", "list", "--expires-within", "999999w"),
    ],
)
def test_no_time_is_beyond_the_calendar(hub: Admin, words: tuple[str, ...]) -> None:
    hub.refuses(64, *words)
    span = words[:-1] if words[-1].endswith("w") else ("cert", "list", "--expires-within")
    hub(*span, "0000099999w")


@pytest.mark.parametrize(
    "words",
    [
        "sasl add droid --keep file:{}",
        "sasl rotate maildroid --keep file:{}",
        "sasl add droid --database {} --format bdb",
        "sasl convert --to gdbm {}",
        "inventory convert {}",
        "ca crl --to {}",
        "ca export --to {}",
        "bundle attic --authorize {key} --to {}",
        "bundle attic -o {}",
    ],
)
def test_a_directory_that_is_not_there(hub: Admin, words: str) -> None:
    place, key = hub.directory / "no/where", hub.write("key.pub", SSH_KEY, 0o644)
    said = hub.refuses(66, *words.format(place, key=key).split())
    assert f"{place.parent}: there is no such directory\n  hint: mkdir -p {place.parent}" in said


def test_a_working_directory_that_was_removed(hub: Admin, tmp_path: Path) -> None:
    place = tmp_path / "gone"
    gone = hub.behind("sh", "-c", f'mkdir {place} && cd {place} && rmdir {place} && exec "$@"', "sh")
    assert gone("cert", "list").out == hub("cert", "list").out
    said = gone.refuses(66, "ca", "export", "--to", "cas.pem")
    assert said == "smtpcreds: the working directory: is not there any more\n  hint: cd /"
