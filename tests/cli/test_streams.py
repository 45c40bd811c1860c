"""Standard streams and signals as careless callers leave them: closed, in another encoding, cut off.

Debian: strace.
"""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from admin import HUB, Admin
from place import PLACE
from sasldb import peers

from smtpcreds.sasldb.opening import open_store

STRICT = {"PYTHONIOENCODING": "utf-8:strict"}
"""As in en_US.UTF-8; only the C locales let Python pass on what is not UTF-8."""
LATIN = {"PYTHONIOENCODING": "iso8859-1:strict"}


def closing(program: Admin, streams: str) -> Admin:
    return replace(program, prefix=("sh", "-c", f'exec "$@" {streams}', "sh"))


@pytest.mark.parametrize(
    "words", [("sasl", "list"), ("sasl", "list", "--json"), ("sasl", "show", "maildroid", "--reveal")]
)
def test_closed_standard_output_is_an_error(hub: Admin, words: tuple[str, ...]) -> None:
    ran = closing(hub, ">&-").run(*words)
    assert (ran.status, ran.problem) == (74, "smtpcreds: standard output: Bad file descriptor")


def test_no_account_whose_secret_could_not_be_printed(hub: Admin) -> None:
    said = closing(hub, ">&-").refuses(74, "sasl", "add", "droid", "--hashed")
    assert said.endswith("nothing was changed")


def test_closed_standard_input_is_empty(hub: Admin) -> None:
    assert "is empty" in closing(hub, "<&-").refuses(65, "sasl", "import", "-")
    assert "empty" in closing(hub, "<&-").refuses(66, "sasl", "add", "droid", "--password", "stdin:")
    closing(hub, "<&- 2>&-")("sasl", "add", "droid")
    assert hub("sasl", "verify", "droid", "--password", reveal(hub, "droid")).out


def reveal(program: Admin, name: str) -> str:
    path = program.write("secret", program("sasl", "show", name, "--reveal").out)
    return f"file:{path}"


ODD = (b"caf\xe9", "käse€".encode(), b"bell\x07\x1b[31mred", "override\u202e\x85".encode())


@pytest.fixture
def odd(smtpcreds: Admin) -> Admin:
    """Names that saslpasswd2 stores as they are typed."""
    records = {name + f"\0{HUB}\0userPassword".encode(): b"x" for name in ODD}
    open_store(str(smtpcreds.path("/etc/sasldb2"))).apply(lambda _: records)
    return smtpcreds


def octets(program: Admin, *words: str, env: dict[str, str]) -> bytes:
    """Return standard output as it is; the program runs in a shell that sends it to a file."""
    path = program.root / "out"
    writing = replace(program, prefix=("sh", "-c", 'exec "$@" > "$0"', str(path)))
    writing(*words, env=env)
    return path.read_bytes()


def test_names_beyond_utf_8_pass_as_they_are_without_controls(odd: Admin) -> None:
    for words in (("sasl", "list"), ("sasl", "export")):
        out = octets(odd, *words, env=STRICT)
        assert all(name in out for name in (b"caf\xe9", "käse€".encode(), rb"bell\x07\x1b[31mred")), words
        assert not set(out) & {0x07, 0x1B, 0x7F}
        assert rb"override\u202e\x85" in out


@pytest.mark.parametrize("words", ["list", "show NAME", "delete NAME -n", "delete NAME"])
def test_a_line_feed_in_a_name_forges_no_line(smtpcreds: Admin, words: str) -> None:
    name = "joe\nnext: rm -rf x"
    smtpcreds("sasl", "add", "maildroid")
    peers.run("saslpasswd2", "-p", "-c", "-f", str(smtpcreds.database), "-u", HUB, name, stdin=b"s3cret.1")
    ran = smtpcreds("sasl", *(name if word == "NAME" else word for word in words.split()))
    assert "joe\\nnext: rm" in ran
    assert not [line for line in ran.splitlines() if line.startswith("next: rm")]


def test_octets_of_c1_controls_are_escaped(smtpcreds: Admin) -> None:
    """A terminal of ISO 8859 obeys them: 9B is CSI."""
    records = {b"red\x9b31m\xa0\0" + HUB.encode() + b"\0userPassword": b"x"}
    open_store(str(smtpcreds.path("/etc/sasldb2"))).apply(lambda _: records)
    assert rb"red\udc9b31m" + b"\xa0@" in octets(smtpcreds, "sasl", "list", env=STRICT)


@pytest.mark.parametrize("env", [STRICT, LATIN], ids=("utf-8", "latin-1"))
def test_json_is_json_whatever_the_names_are(odd: Admin, env: dict[str, str]) -> None:
    text = octets(odd, "sasl", "list", "--json", env=env)
    assert text.replace(b"\n", b"").decode().isprintable()
    accounts = [row["account"] for row in json.loads(text)["accounts"]]
    expected = {name.decode(errors="surrogateescape") + f"@{HUB}" for name in ODD}
    assert set(accounts) == expected
    lines = octets(odd, "sasl", "export", "--as", "jsonl", env=STRICT).decode().splitlines()
    assert {f"{json.loads(line)['user']}@{HUB}" for line in lines} == expected


def test_what_the_locale_can_not_show_is_escaped(odd: Admin) -> None:
    assert b"k\xe4se\\u20ac@" in octets(odd, "sasl", "list", env=LATIN)


INJECTED = ("strace", "-f", "-qq", "-o", "/dev/null")


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_an_orderly_end_leaves_no_secrets_behind(hub: Admin, tmp_path: Path, name: str) -> None:
    """At fsync(2) the file holds every secret, under a temporary name that no later run would look for."""
    directory = tmp_path / "to"
    directory.mkdir(mode=0o700)
    prefix = (*INJECTED, "-e", f"inject=fsync:signal={name}:when=1")
    ran = replace(hub, prefix=prefix).run("sasl", "export", "--reveal", "--to", str(directory / "all"))
    assert (ran.status, ran.err.strip()) == (130, "smtpcreds: interrupted")
    assert list(directory.iterdir()) == []


def test_signals_that_the_caller_ignores_stay_ignored(hub: Admin, tmp_path: Path) -> None:
    prefix = ("nohup", *INJECTED, "-e", "inject=fsync:signal=HUP:when=1")
    replace(hub, prefix=prefix)("sasl", "export", "--reveal", "--to", str(tmp_path / "all"))
    assert (tmp_path / "all").exists()


def test_ctrl_c_while_the_program_is_loaded(hub: Admin, tmp_path: Path) -> None:
    late = PLACE / "smtpcreds/cli/framework.py"
    assert late.exists()
    loading = ("-P", str(late), "-e", "trace=openat", "-e", "inject=openat:signal=INT")
    cached = replace(hub, prefix=(*INJECTED, *loading), env={"PYTHONPYCACHEPREFIX": str(tmp_path / "none")})
    ran = cached.run("sasl", "list")
    assert (ran.status, ran.out, ran.err) == (-signal.SIGINT, "", "")
