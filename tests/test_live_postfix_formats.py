"""What we take Postfix's files to mean, against Postfix's own parsers: postmap and postconf."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from admin import HUB
from lab import Host, Lab
from lab.postfix import POSTFIX, SKELETON, Postfix
from mta.facts import FACTS

from smtpcreds.deploy.files import octets_of
from smtpcreds.errors import InexpressibleError
from smtpcreds.model import Account, Credential
from smtpcreds.mta import postfix, postfix_client
from smtpcreds.mta.postfix import Table, password
from smtpcreds.mta.program import File, octets
from smtpcreds.passwords.generation import ALPHABET
from smtpcreds.sasldb import bdb
from smtpcreds.secret import Secret

pytestmark = pytest.mark.live

NAME = "/var/lib/table"
KEPT = {
    "default alphabet": ALPHABET.encode(),
    "chapter": b"Ch1mp? ,03fuzz fl0ppi",
    "colons": b":a:b:",
    "hash": b"#a #b",
    "quotes": b"\"a\" 'b' `c`",
    "backslash": b"\\a\\\\ \\",
    "percent and dollar": b"%s%1 $1 ${x} $(y)",
    "leading spaces": b"  a",
    "braces": b"{a} [b] <c>",
    "UTF-8": "Öl ☃ 𝄞".encode(),
    "no-break space at the end": "a\u00a0".encode(),
    "1024": b"x" * 1024,
}
CHANGED = {
    "trailing space": b"a ",
    "trailing tab": b"a\t",
    "line feed": b"a\nb",
    "carriage return": b"a\r",
    "NUL": b"a\0b",
    "Latin-1": b"\xfc",
}
"""What some type of table refuses, or gives back as something else."""
REFUSED = {**CHANGED, "empty": b"", "control character": b"a\x01b", "DEL": b"a\x7fb", "1025": b"x" * 1025}


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        host = lab.host(HUB, POSTFIX)
        configure(host, SKELETON.format(name=HUB))
        yield host


def configure(host: Host, text: str) -> None:
    host.write("/etc/postfix/main.cf", text)
    Postfix(host).settle()


def query(host: Host, table: str, key: str) -> bytes:
    command = host.namespace.command(("postmap", "-q", key, table))
    return subprocess.run(command, capture_output=True, check=False).stdout


def values(host: Host, kind: str, secrets: dict[str, bytes]) -> dict[str, bytes]:
    """Put a table in place that holds one entry for each secret, and ask postmap for all of them."""
    keys = {name: f"[Host{number}.example]:25" for number, name in enumerate(secrets)}
    entries = {keys[name]: (b"droid:", Secret(secret)) for name, secret in secrets.items()}
    for file in Table(NAME, kind, entries, 0o600).files:
        host.path(file.path).write_bytes(octets_of(file))
        os.utime(host.path(file.path), (0, 0))
    if kind == "lmdb":
        subprocess.run(host.namespace.command(("postmap", f"lmdb:{NAME}")), check=False, capture_output=True)
    return {name: query(host, f"{kind}:{NAME}", key) for name, key in keys.items()}


@pytest.mark.parametrize("kind", ["texthash", "hash", "lmdb"])
def test_every_kind_of_table_keeps_what_is_not_refused(host: Host, kind: str) -> None:
    for secret in KEPT.values():
        assert octets(password("droid", "droid", Secret(secret))) == b"droid:" + secret
    assert values(host, kind, KEPT) == {name: b"droid:" + s + b"\n" for name, s in KEPT.items()}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named_without_being_shown(name: str) -> None:
    secret = REFUSED[name] and b"S3cret" + REFUSED[name]
    credential = Credential(Account("maildroid", HUB), Secret(secret), HUB)
    with pytest.raises(
        InexpressibleError, match=f"maildroid@{HUB}: the secret .*table of Postfix"
    ) as refusal:
        postfix_client.render(replace(FACTS, credential=credential))
    assert not secret or secret.decode("latin-1") not in str(refusal.value)


def test_what_is_refused_would_change_in_a_table(host: Host) -> None:
    wanted = {name: b"droid:" + secret + b"\n" for name, secret in CHANGED.items()}
    changed: set[str] = set()
    for kind in ("texthash", "lmdb"):
        found = values(host, kind, CHANGED)
        changed |= {name for name in CHANGED if found[name] != wanted[name]}
    assert changed == set(CHANGED)


def test_our_hash_file_has_the_records_of_postmaps(host: Host) -> None:
    table = Table(NAME, "hash", {f"[{HUB.upper()}]:25": (b"droid:secret",), "AA:BB": (b"attic",)})
    source, ours = table.files
    assert isinstance(source, File)
    host.path("/var/lib/theirs").write_bytes(octets(source.content))
    host.run(("postmap", "hash:/var/lib/theirs"))
    theirs = host.path("/var/lib/theirs.db").read_bytes()
    assert dict(bdb.decode(theirs, subject="theirs")) == dict(bdb.decode(octets_of(ours), subject="ours"))


MAINS = [
    "relayhost = a\nrelayhost=b\n",
    "relayhost = a,\n  # comment\n\n\tb , c\n#relayhost = d\n",
    "  relayhost = continued nothing\nmyorigin = x\nrelayhost  =   a   b\n   c  \n",
    "relayhost = a\nrelayhost =\n",
]


@pytest.mark.parametrize("lines", MAINS)
def test_main_cf_means_what_postconf_says(host: Host, lines: str) -> None:
    text = SKELETON.format(name=HUB) + lines
    configure(host, text)
    shown = host.run(("postconf", "-h", "relayhost")).strip()
    assert postfix.in_force(text).get("relayhost") == " ".join(shown.replace(",", " ").split())


def test_a_later_line_takes_ours_back(host: Host) -> None:
    work = postfix_client.work(FACTS)
    (include,) = work.includes
    assert include.lacking
    ours = "".join(f"{line}\n" for line in include.text)
    assert include.lacking("") == include.lines
    assert include.lacking(ours) == ()
    assert include.lacking(ours + "smtp_tls_security_level=may\n") == ("smtp_tls_security_level = secure",)
    assert include.lacking(ours + "smtp_tls_security_level\n\t=\n secure\n") == ()
    configure(host, SKELETON.format(name=HUB) + ours)
    names = [line.partition(" = ")[0] for line in include.lines]
    assert tuple(host.run(("postconf", *names)).splitlines()) == include.lines


def test_services_outside_the_chroot_are_found(host: Host) -> None:
    master = host.path("/etc/postfix/master.cf")
    main = host.path("/etc/postfix/main.cf").read_text()
    inside, outside = postfix.chroot("y", main), postfix.chroot("n", main)
    assert [list(p.faults(master.read_text())) for p in (inside, outside)] == [
        [],
        [("runs smtp/inet in the chroot, where it finds no accounts", LEAVE)],
    ]
    host.shell(LEAVE.partition(" && ")[0])
    assert not list(outside.faults(master.read_text()))
    assert [what for what, _ in inside.faults(master.read_text())] == [
        "runs smtp/inet outside the chroot, where it finds no accounts"
    ]


LEAVE = "postconf -F smtp/inet/chroot=n && postfix reload"
