"""Sendmail.conf and smtpd.conf: exact, refused where libsasl2 would misread, and read by libsasl2 itself."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sasl_oracle
from admin import Admin
from postgres_cluster import Cluster

from smtpcreds.errors import DamagedFileError, InexpressibleError
from smtpcreds.mta.sasl_conf import MAX_LINE, Backend, Saslauthd, Sasldb, Sql, parse, render
from smtpcreds.postgres import parse_url
from smtpcreds.secret import Secret

SELECT = "SELECT value FROM public.smtpcreds_sasl WHERE username = '%u' AND realm = '%r' AND prop = '%p'"
REALM = "dmzmail.polkatistas.org"


def sql(url: str, role: str = "postfix", password: bytes | None = None) -> Sql:
    return Sql(parse_url(url), role, None if password is None else Secret(password))


@pytest.mark.parametrize(
    ("backend", "lines"),
    [
        (
            Sasldb("/etc/sasldb2"),
            ["pwcheck_method: auxprop", "auxprop_plugin: sasldb", "sasldb_path: /etc/sasldb2"],
        ),
        (
            sql("postgresql://admin@/mail?host=/run/postgresql"),
            [
                "pwcheck_method: auxprop",
                "auxprop_plugin: sql",
                "sql_engine: pgsql",
                "sql_hostnames: /run/postgresql",
                "sql_database: mail",
                "sql_user: postfix",
                f"sql_select: {SELECT}",
            ],
        ),
    ],
)
def test_the_text_is_exact(backend: Backend, lines: list[str]) -> None:
    text = "\n".join([*lines, "mech_list: SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", ""])
    assert render(backend) == text.encode()


def test_saslauthd_offers_what_it_can_check() -> None:
    assert render(Saslauthd()) == b"pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"
    assert b"saslauthd_path: /run/mux\n" in render(Saslauthd("/run/mux"))
    assert render(Saslauthd(), ["PLAIN"]).endswith(b"mech_list: PLAIN\n")


@pytest.mark.parametrize(
    ("url", "hosts", "tls"),
    [
        ("postgresql:///mail", None, None),
        ("postgresql://:5433/mail", b":5433", None),
        ("postgresql://db1,db2:5433/mail", b"db1,db2:5433", b"yes"),
        ("postgresql:///mail?host=/run/pg,db2&port=1,2", b"/run/pg:1,db2:2", b"yes"),
        ("postgresql://db/mail?sslmode=verify-full", b"db", b"yes"),
        ("postgresql://localhost/mail?sslmode=disable", b"localhost", None),
    ],
)
def test_hosts_and_tls(url: str, hosts: bytes | None, tls: bytes | None) -> None:
    found = parse(render(sql(url)), "x")
    assert (found.get("sql_hostnames"), found.get("sql_usessl")) == (hosts, tls)


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        (Sasldb("/etc/\n"), "control character"),
        (Sasldb("/etc/\r"), "control character"),
        (Sasldb("/etc/db "), "outer spaces"),
        (Sasldb("/" + "x" * MAX_LINE), "over 4094 octets"),
        (sql("postgresql://[::1]/mail"), "ends a host"),
        (sql("postgresql:///mail?host=db,/run/pg"), "behind another host"),
        (sql("postgresql:///?service=mail"), "names a service"),
        (sql("postgresql://db/o'mail"), "sql_database: contains '"),
        (sql("postgresql://db/mail", "o'role"), "sql_user: contains '"),
        (sql("postgresql://db/mail", "a\\b"), "sql_user: contains '"),
        (sql("postgresql://db/mail", password=b"pw5ecret'"), "sql_passwd: contains '"),
        (sql("postgresql://db/mail", password=b"pw5ecret\n"), "sql_passwd: is empty, or contains a control"),
        (sql("postgresql://db/mail", password=b" pw5ecret"), "outer spaces"),
    ],
)
def test_what_libsasl_would_misread_is_refused(backend: Backend, reason: str) -> None:
    with pytest.raises(InexpressibleError, match=reason) as caught:
        render(backend)
    assert "pw5ecret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "text",
    [
        b"pwcheck_method: auxprop\nmech_list PLAIN\n",
        b"pwcheck_method : auxprop\n",
        b"mech_list:\n",
        b"mech_list: \n",
        b"mech.list: PLAIN\n",
        b"key: " + b"x" * MAX_LINE + b"\n",
    ],
)
def test_a_line_that_stops_the_daemon_is_found(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match="refuses the whole file"):
        parse(text, "Sendmail.conf")
    assert not starts(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        b": x\nmech_list: PLAIN\n",
        b"# a comment\n\n  \n\tmech_list:PLAIN\n",
        b"mech_list: PLAIN\r\n",
        b"Mech_List: PLAIN  \nmech_list: LOGIN",
    ],
)
def test_lines_are_read_as_libsasl_reads_them(text: bytes, tmp_path: Path) -> None:
    assert parse(text, "Sendmail.conf")["mech_list"] == b"PLAIN"
    assert starts(tmp_path, text)


def starts(directory: Path, text: bytes) -> bool:
    """Tell whether libsasl2's server starts with this file."""
    (directory / "Sendmail.conf").write_bytes(text)
    code = (
        "import ctypes; sasl = ctypes.CDLL('libsasl2.so.2')\n"
        "raise SystemExit(sasl.sasl_server_init(None, b'Sendmail') != 0)"
    )
    environment = {**os.environ, "SASL_CONF_PATH": str(directory)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def sc(root: Path, *words: str, status: int = 0, stdin: str = "") -> str:
    return Admin(root)(*words, status=status, stdin=stdin.encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc/smtpcreds").mkdir(parents=True)
    (root / "etc/hostname").write_text(f"{REALM}\n")
    return root


def test_sendmail_s_library_finds_the_accounts_of_the_file(root: Path, tmp_path: Path) -> None:
    database, conf = str(tmp_path / "sasldb2"), tmp_path / "Sendmail.conf"
    sc(root, "sasl", "add", "maildroid", "--database", database)
    told = sc(root, "sasl", "conf", "--database", database, "--to", str(conf))
    assert f"{conf}  0644" in told
    secret = sc(root, "sasl", "show", "maildroid", "--reveal", "--database", database).strip().encode()
    offered = {"SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}
    assert sasl_oracle.configured(conf, ("maildroid", REALM, secret)) == [offered]


def test_two_hubs_share_one_set_of_accounts(root: Path, tmp_path: Path, postgres: Cluster) -> None:
    name = postgres.emptied()
    (root / "etc/smtpcreds/smtpcreds.toml").write_text(f'[sasl]\ndatabase = "{postgres.url(name)}"\n')
    sc(root, "sasl", "add", "maildroid")
    told = sc(root, "sasl", "add", "scrambled", "--hashed", "--auth-info", str(tmp_path / "info"))
    assert "SCRAM-SHA-256" in told
    clear = sc(root, "sasl", "show", "maildroid", "--reveal").strip().encode()
    hashed = (tmp_path / "info").read_bytes().splitlines()[2]
    logins = ("maildroid", REALM, clear), ("scrambled", REALM, hashed)
    for program, file in (("sendmail", "Sendmail.conf"), ("postfix", "smtpd.conf")):
        role, conf = postgres.role(), tmp_path / file
        postgres.psql(name, sc(root, "sasl", "conf", "--grants", "--role", role))
        sc(root, "sasl", "conf", "--program", program, "--role", role, "--to", str(conf))
        everything = {"SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}
        assert sasl_oracle.configured(conf, *logins) == [everything, {"SCRAM-SHA-256"}]
    verify = ("sasl", "verify", "maildroid", "--password", "stdin:")
    assert "DIGEST-MD5     records yes  libsasl2 yes" in sc(root, *verify, stdin=clear.decode())
    assert "DIGEST-MD5     records no   libsasl2 no" in sc(root, *verify, stdin="other", status=1)
    sc(root, "sasl", "delete", "maildroid")
    assert sasl_oracle.configured(tmp_path / "smtpd.conf", *logins) == [frozenset(), {"SCRAM-SHA-256"}]
    assert clear.decode() not in postgres.log


def test_binary_secrets_are_refused_and_nothing_is_written(root: Path, postgres: Cluster) -> None:
    url = postgres.url(postgres.emptied())
    told = sc(root, "sasl", "add", "x", "--hashed", "--also", "DIGEST-MD5", "--database", url, status=65)
    reason = "its cmusaslsecretDIGEST-MD5 is binary, and Cyrus SASL reads only text from PostgreSQL"
    assert told.startswith(f"smtpcreds: x@{REALM}: {reason}\n")
    assert "no accounts" in sc(root, "sasl", "list", "--database", url)


def test_a_role_s_password_stays_private(root: Path, tmp_path: Path) -> None:
    conf = tmp_path / "Sendmail.conf"
    words = ("sasl", "conf", "--database", "postgresql://db/mail", "--role-password", "stdin:")
    told = sc(root, *words, "--to", str(conf), stdin="pw5ecret")
    assert stat.S_IMODE(conf.stat().st_mode) == 0o600
    assert b"sql_passwd: pw5ecret\n" in conf.read_bytes()
    assert "pw5ecret" not in told
    assert "pw5ecret" in sc(root, *words, stdin="pw5ecret")
    assert "pw5ecret" not in sc(root, *words, "--json", stdin="pw5ecret", status=64)
    assert "in a file" in sc(root, "sasl", "conf", "--role-password", "stdin:", stdin="x", status=64)
    assert "generated" in sc(root, *words[:-1], "generate:", status=64)


def test_a_file_with_other_settings_is_left_alone(root: Path, tmp_path: Path) -> None:
    conf = tmp_path / "Sendmail.conf"
    conf.write_text("mech_list: PLAIN\n")
    assert "other settings" in sc(root, "sasl", "conf", "--to", str(conf), status=73)
    assert conf.read_text() == "mech_list: PLAIN\n"
    sc(root, "-n", "sasl", "conf", "--to", str(conf), "--force")
    assert conf.read_text() == "mech_list: PLAIN\n"
    sc(root, "sasl", "conf", "--to", str(conf), "--force", "--mechanism", "CRAM-MD5")
    assert conf.read_text().endswith("mech_list: CRAM-MD5\n")


@pytest.mark.parametrize(
    ("database", "status", "reason"),
    [
        ("sqlite3:///etc/accounts", 65, "log in without a password"),
        ("postgresql://u:pw5ecret@db/mail", 64, "carries a password"),
        ("mysql://db/mail", 64, "can only be imported from"),
    ],
)
def test_databases_that_are_refused(root: Path, database: str, status: int, reason: str) -> None:
    for words in (("sasl", "conf"), ("sasl", "list"), ("sasl", "add", "maildroid")):
        told = sc(root, *words, "--database", database, status=status)
        assert reason in told
        assert "pw5ecret" not in told


def test_a_password_in_the_configuration_is_refused_and_not_shown(root: Path) -> None:
    path = root / "etc/smtpcreds/smtpcreds.toml"
    for text in (
        '[sasl]\ndatabase = "postgresql://u:pw5ecret@db/x"',
        'inventory = "postgres://u:pw5ecret@db/x"',
    ):
        path.write_text(text)
        told = sc(root, "sasl", "list", status=78)
        assert "carries a password" in told
        assert "pw5ecret" not in told
    path.write_text('inventory = "/var/lib/inventory"')
    assert "inventory: /var/lib/inventory: is not a PostgreSQL URL" in sc(root, "sasl", "list", status=78)
