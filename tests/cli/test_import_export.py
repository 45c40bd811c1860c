"""Accounts in bulk: read from the files of other programs, judged by those programs where they are judges."""

import os
import subprocess
from pathlib import Path

import pytest
from admin import HUB, Admin
from lab.debs import unpacked
from sasl_oracle import mechanisms

from smtpcreds.passwords import derive_scram
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store
from smtpcreds.secret import Secret

from .bulk_scene import bulk_hub, key

CHAPTER = b"Ch1mp? ,03fuzz fl0ppi"
TORTURE = (
    CHAPTER,
    b'a"b',
    b'"quoted"',
    b" leading",
    b"#hash",
    b"co:l:on",
    b"back\\slash",
    b"'single'",
    b"$1 %2",
    "pässwörd".encode(),
    b"{PLAIN}x",
    b"=1+1",
    b"a,b,c",
    b"null",
)
EVERYTHING = {
    **{key(f"user{number}"): secret for number, secret in enumerate(TORTURE)},
    key("attic", "other.example"): b"plain-secret",
    key("attic", "other.example", "cmusaslsecretOTP"): b"md5\t0499\tse\0ed\xff",
    key("hashed", HUB, "authPassword"): derive_scram(Secret("hashed-secret")).cyrus(),
    key('käse kuchen, "x"'): b"umlaut-secret",
}


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return bulk_hub(tmp_path)


SCRAM = derive_scram(Secret("scram-secret"))
FORMATS = {
    "csv": b'maildroid,"Ch1mp? ,03fuzz fl0ppi"\r\n\r\nattic,"a""b",other.example\r\n',
    "csv with header": b'\xef\xbb\xbfUser,Realm,Password\nmaildroid,,"Ch1mp? ,03fuzz fl0ppi"\n'
    b'attic,other.example,"a""b"\n',
    "jsonl": b'{"user": "maildroid", "password": "Ch1mp? ,03fuzz fl0ppi"}\n\n'
    b'{"account": "attic@other.example", "password": "a\\"b"}\n',
    "dovecot": b"# users\nmaildroid:{PLAIN}Ch1mp? ,03fuzz fl0ppi:1000:1000::/home:/bin/sh\n"
    b"attic@other.example:{plain.b64}YSJi::::::nologin x_allow_nets=a user=allow_nets\n",
    "postfix": b"# relays\n[mx.example.net]:587  maildroid:Ch1mp? ,03fuzz fl0ppi  \n"
    b'mx.example.net\n  maildroid:Ch1mp? ,03fuzz fl0ppi\n[b]:25 attic@other.example:a"b\n',
}
EXPECTED = {key("maildroid"): CHAPTER, key("attic", "other.example"): b'a"b'}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_told_from_their_content(admin: Admin, name: str) -> None:
    done = admin("--json", "sasl", "import", "-", stdin=FORMATS[name])
    assert admin.records() == EXPECTED
    assert done.data["added"] == [f"maildroid@{HUB}", "attic@other.example"]


def test_default_auth_info_that_this_program_writes_is_read_back(admin: Admin) -> None:
    for name in ("maildroid", "attic@other.example"):
        admin("sasl", "add", name)
        admin("sasl", "auth-info", name, "--to", "info")
        admin("sasl", "import", "info", "--database", "new")
        os.unlink(admin.directory / "info")
    assert admin.records(admin.directory / "new") == admin.records()


@pytest.mark.parametrize("kind", Format)
def test_a_database_of_any_format_is_copied_with_all_properties(admin: Admin, kind: Format) -> None:
    open_store(str(admin.directory / "old"), new=kind).apply(lambda _: EVERYTHING)
    (admin.directory / "old").chmod(0o640)
    admin("sasl", "import", "old")
    assert admin.records() == EVERYTHING


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_imports_to_the_same_database(admin: Admin, kind: str) -> None:
    open_store(str(admin.database)).apply(lambda _: EVERYTHING)
    admin("sasl", "export", "--as", kind, "--reveal", "--to", "all")
    assert (admin.directory / "all").stat().st_mode & 0o777 == 0o600
    done = admin("--json", "sasl", "import", "all", "--database", "new", "--allow-odd-names")
    assert len(done.data["added"]) == len(TORTURE) + 3
    assert admin.records(admin.directory / "new") == EVERYTHING


def test_dovecot_accepts_the_exported_passwd_file(admin: Admin) -> None:
    found = {k: v for k, v in EVERYTHING.items() if not k.endswith(b"OTP")}
    open_store(str(admin.database)).apply(lambda _: found)
    admin("sasl", "export", "--as", "dovecot", "--reveal", "--to", "users")
    fields = dict(line.split(":", 1) for line in (admin.directory / "users").read_text().splitlines())
    assert len(fields) == len(TORTURE) + 3
    secrets = {f"user{number}@{HUB}": secret for number, secret in enumerate(TORTURE)}
    secrets |= {"attic@other.example": b"plain-secret", f"hashed@{HUB}": b"hashed-secret"}
    for name, secret in secrets.items():
        command = ["doveadm", "-O", "pw", "-t", fields[name], "-p", os.fsdecode(secret)]
        assert subprocess.run(command, capture_output=True).returncode == 0, (name, secret)
    admin("sasl", "import", "users", "--database", "new", "--allow-odd-names")
    assert admin.records(admin.directory / "new") == found


def test_dovecot_s_own_verifiers_open_the_account_in_cyrus(admin: Admin) -> None:
    for scheme in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        command = ["doveadm", "-O", "pw", "-s", scheme, "-p", "right"]
        value = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
        admin("sasl", "import", "-", "--on-conflict", "replace", stdin=f"maildroid:{value}::::::\n".encode())
        assert mechanisms(admin.database, "maildroid", HUB, b"right") == {scheme}
        assert not mechanisms(admin.database, "maildroid", HUB, b"wrong")


def test_postfix_reads_its_file_as_we_do(admin: Admin, tmp_path: Path) -> None:
    tree = unpacked("postfix")
    lines = b"".join(b"[mx%d]:25 user%d:%s\n" % (n, n, secret) for n, secret in enumerate(TORTURE))
    table = admin.write(
        "sasl_passwd", b"  # comment\n" + lines + b"[last]:25\n\n # in between\n\tlast:in:two lines \n"
    )
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nmail_owner = daemon\nsetgid_group = mail\n")
    names = [*(f"[mx{n}]:25" for n in range(len(TORTURE))), "[last]:25"]
    said = subprocess.run(
        [tree / "usr/sbin/postmap", "-c", tmp_path, "-q", "-", f"texthash:{table}"],
        input="".join(f"{name}\n" for name in names).encode(),
        capture_output=True,
        env={"LD_LIBRARY_PATH": f"{tree}/usr/lib/postfix:{tree}/usr/lib/x86_64-linux-gnu"},
    )
    assert said.returncode == 0, said.stderr
    values = (line.split(b"\t", 1)[1] for line in said.stdout.splitlines())
    expected = {key(user.decode()): secret for user, secret in (value.split(b":", 1) for value in values)}
    assert len(expected) == len(TORTURE) + 1
    admin("sasl", "import", table)
    assert admin.records() == expected


LINES: tuple[tuple[bytes, str], ...] = (
    (b"maildroid,f1ne and long", ""),
    (b"polkafan,good secret", "is a login account on this host"),
    (b"onlyuser", "has 1 fields, not 2 or 3"),
    (b'"quoted"x,secret', "is not CSV"),
    (b"maildroid,other", f"maildroid@{HUB} came in line 1 already"),
    (b"maildroid,f1ne and long", ""),
    (b"a@b@c,secret", "more than one @"),
    (b"x:y,secret", "contains a colon"),
    (b"tail,ends in space ", f"tail@{HUB}: ends in a space"),
    (b"latin,caf\xe9", "is not UTF-8"),
    (b"empty,", "has no secret"),
    (b"two@one,secret,three", "the realm beside it is another"),
    (b"soft,so\xc2\xadft", "SASLprep"),
    (b"\xff,secret", "unprintable"),
    (b"attic,f1ne and long", ""),
)


def refusals(err: str, source: str) -> dict[int, str]:
    found = (line.partition(f"{source}: line ")[2].partition(": ") for line in err.splitlines())
    return {int(number): reason for number, colon, reason in found if colon}


def test_every_bad_line_is_named_and_nothing_is_written(admin: Admin) -> None:
    admin.write("bad", b"\n".join(line for line, _ in LINES))
    done = admin.run("sasl", "import", "bad", "--as", "csv")
    assert (done.status, done.out, admin.database.exists()) == (65, "", False)
    reasons = refusals(done.err, "bad")
    expected = {number: reason for number, (_, reason) in enumerate(LINES, 1) if reason}
    assert reasons.keys() == expected.keys()
    for number, reason in expected.items():
        assert reason in reasons[number]
    assert not any(secret in done.err for secret in ("good secret", "ends in space", "caf"))


def test_the_good_ones_come_in_when_bad_ones_may_be_skipped(admin: Admin) -> None:
    admin.write("bad", b"\n".join(line for line, _ in LINES))
    done = admin("--json", "sasl", "import", "bad", "--as", "csv", "--skip-bad")
    assert admin.records() == {key("maildroid"): b"f1ne and long", key("attic"): b"f1ne and long"}
    assert len(done.data["refused"]) == len(refusals(done.err, "bad")) == len(LINES) - 3


def test_a_hundred_refusals_are_named_and_the_rest_counted(admin: Admin) -> None:
    admin.write("bad", b"maildroid,f1ne and long\n" + b"onlyuser\n" * 1000)
    words = ("sasl", "import", "bad", "--as", "csv")
    for more in ((), ("--skip-bad",)):
        done = admin.run(*words, *more)
        assert refusals(done.err, "bad").keys() == {*range(2, 102)}
        assert "bad: 900 more refused; --json names them all" in done.err
    found = admin.run(*words, "--json").data["refused"]
    assert [row["where"] for row in found] == [f"line {number}" for number in range(2, 1002)]


FAULTS = {
    "jsonl": (
        (b'{"user": "a", "pasword": "x"}', "'pasword' is not one of"),
        (b'{"user": "a", "user": "b", "password": "x"}', "repeats a name"),
        (b'{"user": "a", "account": "b", "password": "x"}', "both user and account"),
        (b'{"user": 7, "password": "x"}', "user is not text"),
        (b'["a", "b"]', "is not a JSON object"),
        (b'{"user": "a", "properties": {"userPassword": "?"}}', "is not Base64"),
        (b'{"user": "a", "properties": ["x"]}', "is not an object"),
        (b'{"password": "x"}', "empty user name"),
        (b"[" * 100_000, "is not a JSON object"),
        (b'{"user": "a", "password": "half \\ud83d"}', "password is not text"),
        (b'{"user": "\\ud83d", "password": "x"}', "user is not text"),
        (b'{"user": "a", "realm": "\\ud83d", "password": "x"}', "realm is not text"),
        (b'{"user": "a", "properties": {"\\ud83d": "eA=="}}', "is not an object of Base64 texts"),
        (b'{"user": "a", "password": "x", "properties": {"userPassword": "eA=="}}', "both password and"),
    ),
    "dovecot": (
        (b"a:{SHA512-CRYPT}$6$x$y:1:1", "scheme SHA512-CRYPT, which Cyrus SASL can't serve"),
        (b"b:$6$x$y", "scheme CRYPT"),
        (b"c:{SCRAM-SHA-256}4096,AA==,AA==,AA==", "is no SCRAM-SHA-256 value"),
        (
            b"d:{SCRAM-SHA-256}" + SCRAM.dovecot().encode().partition(b"}")[2].replace(b"4096", b"99999"),
            "no SCRAM",
        ),
        (b"e:{PLAIN.b64}***", "is no PLAIN.B64 value"),
        (b"f", "has no colon"),
        (b"g:{PLAIN}", "is empty"),
        (b"h:{PLAIN}x:1:1::/home/h:/bin/sh:allow_real_nets=::1", "is limited by allow_real_nets"),
        (b"i:{PLAIN}x::::::userdb_mail=a:b allow_nets=10.0.0.0/8", "is limited by allow_nets"),
    ),
    "postfix": ((b"[mx]:25", "is not [host]:port user:password"), (b"[mx]:25 user", "is not [host]:port")),
    "auth-info": ((b"maildroid\nmaildroid", "has 2 lines"),),
    "csv": ((b"user,mechanisms", "has no column for secrets"),),
    "csv ": ((b"user,userPassword:base64,password", "has both password and userPassword:base64"),),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_a_format_can_not_say_is_refused_by_line(admin: Admin, kind: str) -> None:
    admin.write("bad", b"\n".join(line for line, _ in FAULTS[kind]))
    done = admin.run("sasl", "import", "bad", "--as", kind.strip())
    reasons = refusals(done.err, "bad")
    assert (done.status, len(reasons)) == (65, len(FAULTS[kind])), done.err
    for number, (_, reason) in enumerate(FAULTS[kind], 1):
        assert reason in reasons[number]


@pytest.mark.parametrize("content", [b"a,b\nc", b"\x00\x01", b'{"a":' * 5000])
def test_an_uncertain_format_is_asked_for(admin: Admin, content: bytes) -> None:
    done = admin.run("sasl", "import", "-", stdin=content)
    assert (done.status, done.out) == (65, "")
    assert "hint: name it: --as csv or" in done.err
    assert "is empty" in admin.run("sasl", "import", "-", stdin=b"\n").err


def test_conflicts(admin: Admin) -> None:
    old = {
        key("maildroid"): b"old",
        key("maildroid", HUB, "cmusaslsecretOTP"): b"otp",
        key("attic"): b"same as before",
    }
    open_store(str(admin.database)).apply(lambda _: old)
    file = admin.write("new", b"new,fr3sh and long\nmaildroid,changed since\nattic,same as before\n")
    failed = admin.run("sasl", "import", file)
    assert failed.status == 65
    assert refusals(failed.err, str(file)) == {2: f"maildroid@{HUB} exists with other content"}
    assert admin.records() == old
    skipped = admin("--json", "sasl", "import", file, "--on-conflict", "skip").data
    assert (len(skipped["added"]), len(skipped["skipped"])) == (1, 2)
    assert admin.records() == old | {key("new"): b"fr3sh and long"}
    replaced = admin("--json", "sasl", "import", file, "--on-conflict", "replace").data
    assert (replaced["added"], replaced["replaced"]) == ([], [f"maildroid@{HUB}"])
    assert admin.records() == {
        key("new"): b"fr3sh and long",
        key("maildroid"): b"changed since",
        key("attic"): b"same as before",
    }
    before = admin.database.stat()
    assert "0 added, 0 replaced, 3 skipped, 0 refused" in admin("sasl", "import", file).out
    after = admin.database.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_dry_run_is_the_plan(admin: Admin) -> None:
    done = admin("sasl", "import", "-", "--dry-run", stdin=b"maildroid,s3cret\n")
    assert done.out.splitlines() == [
        f"would write {admin.database}.lock  0600",
        f"would write {admin.database}  0600",
        f"would add maildroid@{HUB}  ({admin.database})",
    ]
    assert not admin.database.exists()


def test_files_with_secrets_have_to_be_private(admin: Admin) -> None:
    loose = admin.write("loose", b"maildroid,s3cret\n", 0o644)
    done = admin.run("sasl", "import", loose)
    assert (done.status, f"hint: chmod 0600 {loose}" in done.err) == (77, True)
    open_store(str(admin.directory / "db")).apply(lambda _: EVERYTHING)
    (admin.directory / "db").chmod(0o664)
    done = admin.run("sasl", "import", "db")
    assert (done.status, "hint: chmod o-rwx" in done.err) == (77, True)


def test_what_is_no_plain_file_has_its_own_way_in(admin: Admin) -> None:
    os.mkfifo(admin.directory / "pipe", 0o600)
    (admin.directory / "link").symlink_to(admin.write("file", b"maildroid,s3cret\n"))
    for name in ("pipe", "/dev/fd/0"):
        done = admin.run("sasl", "import", name, stdin=b"maildroid,s3cret\n")
        assert (done.status, "hint: give a pipe as standard input" in done.err) == (77, True)
    assert "symbolic link and is not followed; name its target" in admin.run("sasl", "import", "link").err
    loose = admin.write("open to all", b"maildroid,s3cret\n", 0o644)
    hint = admin.run("sasl", "import", loose).err.partition("hint: ")[2]
    subprocess.run(["sh", "-c", hint], check=True)
    admin("sasl", "import", loose)


def test_a_file_may_hold_a_million_accounts(admin: Admin) -> None:
    """As lines of JSON with long names they are over 64 MiB, which is the limit of configuration files."""
    path = admin.write("many", b'{"user": "maildroid", "password": "x"}\n')
    with path.open("ab") as file:
        file.write((b" " * 1023 + b"\n") * 65 * 1024)
    admin("sasl", "import", path)
    assert admin.records() == {key("maildroid"): b"x"}


def test_login_passwords_are_tried_when_asked_for(admin: Admin) -> None:
    made = subprocess.run(["mkpasswd", "-m", "sha512crypt", "l0gin secret"], capture_output=True, check=True)
    shadow = admin.root / "etc/shadow"
    shadow.write_bytes(b"polkafan:" + made.stdout.strip() + b":::::::\n")
    file = admin.write("new", b"maildroid,l0gin secret\npolkafan,other secret\n")
    done = admin.run("sasl", "import", file, "--check-logins", "--allow-login-names")
    assert refusals(done.err, str(file)).keys() == {1}
    admin("sasl", "import", file, "--allow-login-names")


def test_secrets_leave_only_to_a_new_file(admin: Admin) -> None:
    admin("sasl", "import", "-", stdin=b"maildroid,s3cret\n")
    refused: tuple[tuple[str, ...], ...] = (
        ("--reveal",),
        ("--reveal", "--json"),
        ("--as", "dovecot"),
        ("--as", "xml", "--to", "x"),
    )
    for words in refused:
        done = admin.run("sasl", "export", *words)
        assert (done.status, done.out) == (64, ""), words
    harmless: tuple[tuple[str, ...], ...] = ((), ("--json",), ("--as", "jsonl"), ("-v",))
    for words in harmless:
        done = admin("sasl", "export", *words)
        assert "maildroid" in done.out
        assert "s3cret" not in done.out + done.err
    taken = admin.write("taken", b"mine")
    assert admin.run("sasl", "export", "--reveal", "--to", taken).status == 73
    assert taken.read_bytes() == b"mine"
    done = admin("sasl", "export", "--reveal", "--to", "new", "--json")
    assert "s3cret" not in done.out + done.err
    assert done.data["accounts"] == 1


def test_a_passwd_file_refuses_what_it_can_not_hold(admin: Admin) -> None:
    open_store(str(admin.database)).apply(lambda _: {key("otp", HUB, "cmusaslsecretOTP"): b"x"})
    done = admin.run("sasl", "export", "--as", "dovecot", "--reveal", "--to", "users")
    assert (done.status, f"otp@{HUB}: has neither" in done.err) == (65, True)
    assert not (admin.directory / "users").exists()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-224"])
def test_a_passwd_file_has_verifiers_that_dovecot_knows_only(admin: Admin, mechanism: str) -> None:
    known = subprocess.run(["doveadm", "-O", "pw", "-l"], capture_output=True, check=True).stdout
    assert mechanism not in known.decode().split()
    open_store(str(admin.database)).apply(
        lambda _: {key("horn", HUB, "authPassword"): derive_scram(Secret("x"), mechanism).cyrus()}
    )
    done = admin.run("sasl", "export", "--as", "dovecot", "--reveal", "--to", "users")
    assert (done.status, f"horn@{HUB}: has neither" in done.err) == (65, True)


def test_of_several_verifiers_dovecot_gets_the_one_that_cyrus_reads(admin: Admin) -> None:
    several = SCRAM.cyrus() + b" " + derive_scram(Secret("other"), "SCRAM-SHA-1").cyrus()
    open_store(str(admin.database)).apply(lambda _: {key("horn", HUB, "authPassword"): several})
    admin("sasl", "export", "--as", "dovecot", "--reveal", "--to", "users")
    assert (admin.directory / "users").read_text() == f"horn@{HUB}:{SCRAM.dovecot()}\n"


ODD = {
    "an empty property": {key("odd"): b"x", key("odd", HUB, "mail"): b""},
    "a property with a line end": {key("odd", HUB, "a\nb"): b"1"},
    "a name that is not UTF-8": {b"caf\xe9\0" + HUB.encode() + b"\0userPassword": b"x"},
    "a password that is not UTF-8": {key("odd"): b"caf\xe9"},
    "an empty realm": {key("odd", ""): b"x"},
    "separators of lines": {key("odd", HUB, "\x85\u2028\x0b"): b"1"},
}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "sasldb"])
@pytest.mark.parametrize("name", ODD)
def test_odd_records_come_back_as_they_were_or_not_at_all(admin: Admin, name: str, kind: str) -> None:
    open_store(str(admin.database)).apply(lambda _: ODD[name])
    file, new = admin.directory / "all", admin.directory / "new"
    status = 0
    if kind == "sasldb":
        file = admin.database
    else:
        status = admin.run("sasl", "export", "--as", kind, "--reveal", "--to", file).status
    status = status or admin.run("sasl", "import", file, "--database", new).status
    assert (status, admin.records(new)) in ((0, ODD[name]), (65, {}))


def test_ten_thousand_come_in_one_rewrite(admin: Admin) -> None:
    admin.write("many", b"".join(b"user%d,secret-%d\n" % (n, n) for n in range(10_000)))
    admin.prefix = ("strace", "-f", "-qq", "-e", "trace=rename,renameat,renameat2,link,linkat", "-o", "trace")
    admin("sasl", "import", "many", "--no-header")
    calls = (admin.directory / "trace").read_text().splitlines()
    assert len([call for call in calls if '"sasldb2"' in call]) == 1
    assert len(admin.records()) == 10_000
