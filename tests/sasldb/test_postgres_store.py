"""Accounts in PostgreSQL: the contract of stores, and Cyrus SASL's ``sql`` plugin as the reader."""

import random
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sasl_oracle
from postgres_cluster import Cluster

from smtpcreds.errors import (
    DeniedError,
    ForeignFormatError,
    InexpressibleError,
    LockHeldError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    UsageError,
    WriteError,
)
from smtpcreds.model import Account
from smtpcreds.mta.sasl_conf import Sql, render
from smtpcreds.passwords import scram_secret
from smtpcreds.postgres import parse_url
from smtpcreds.sasldb import records
from smtpcreds.sasldb.limits import MAX_SQL_VALUE
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sasldb.sql import grants
from smtpcreds.secret import Secret

from .contract import KEY, LOOK_UP, MAILDROID, RecordContract, set_password

REALM = MAILDROID.realm
ALL = frozenset(sasl_oracle.MECHANISMS)
INJECTION = "x' UNION SELECT char(104,105) --"
"""A name that is given the password ``hi``."""
FEW = ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256")


@pytest.fixture
def conf(postgres: Cluster, name: str, url: str, tmp_path: Path) -> Path:
    """What sendmail reads, with a role that may do no more than it has to; the table is there."""
    open_store(url).apply(lambda _: {b"first\0r\0userPassword": b"x"})
    role = postgres.role()
    postgres.psql(name, "\n".join(grants(role) * 2))
    path = tmp_path / "Sendmail.conf"
    path.write_bytes(render(Sql(parse_url(url), role), sasl_oracle.MECHANISMS))
    return path


READER = f"""
import sys, psycopg
url, key = sys.argv[1], bytes.fromhex(sys.argv[2]).decode().split('\\0')
reader = psycopg.connect(url, autocommit=True)
def look():
    found = reader.execute(
        'SELECT value FROM public.smtpcreds_sasl WHERE username = %s AND realm = %s AND prop = %s', key
    ).fetchall()
    return found[0][0].encode() if len(found) == 1 and len(found[0]) == 1 else None
{LOOK_UP}
reader.close()
"""


class TestPostgres(RecordContract[str]):
    @pytest.fixture
    def place(self, url: str) -> str:
        return url

    @pytest.fixture(autouse=True)
    def _cluster(self, postgres: Cluster, name: str) -> None:
        self.cluster, self.name = postgres, name

    def foreign_records(self, place: str) -> dict[bytes, bytes]:
        rows = self.cluster.run(self.name, "SELECT username, realm, prop, value FROM smtpcreds_sasl")
        return {"\0".join(map(str, row[:3])).encode(): str(row[3]).encode() for row in rows}

    def foreign_edit(self, place: str, edits: dict[bytes, bytes | None]) -> None:
        script = []
        for key, value in edits.items():
            columns = key.decode().split("\0")
            where = " AND ".join(
                f"{column} = {quoted(text)}"
                for column, text in zip(("username", "realm", "prop"), columns, strict=True)
            )
            script.append(f"DELETE FROM smtpcreds_sasl WHERE {where};")
            if value is not None:
                values = ", ".join(map(quoted, (*columns, value.decode())))
                script.append(f"INSERT INTO smtpcreds_sasl VALUES ({values});")
        self.cluster.psql(self.name, "\n".join(script))

    def reader(self) -> str:
        return READER

    def value(self, dice: random.Random) -> bytes:
        letters = "aZ09 '\\%\t\n\r\"$;é☃\U0001f600"
        return "".join(dice.choices(letters, k=dice.choice((1, 20, 400, 2000)))).encode()


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_a_change_of_nothing_makes_nothing(url: str) -> None:
    store = open_store(url)
    assert store.apply(lambda _: {KEY: None}) == {}
    with pytest.raises(MissingInputError, match="holds no accounts yet"):
        store.load()


def test_the_clear_text_serves_every_mechanism(url: str, conf: Path) -> None:
    passwords = (b"geheim", b"Ch1mp? ,03fuzz fl0ppi", "grüß☃".encode(), b'it\'s \\ 100% "x"')
    for number, password in enumerate(passwords):
        set_password(open_store(url), Account(f"u{number}", REALM), password)
    logins = [(f"u{number}", REALM, password) for number, password in enumerate(passwords)]
    assert sasl_oracle.configured(conf, *logins) == [ALL] * len(passwords)


def test_no_is_an_answer(url: str, conf: Path) -> None:
    set_password(open_store(url), MAILDROID, b"geheim")
    logins = (
        ("maildroid", REALM, b"Geheim"),
        ("maildroid", "example.org", b"geheim"),
        ("Maildroid", REALM, b"geheim"),
        ("maildroid", REALM, b"geheim" + b"x" * 300),
    )
    assert sasl_oracle.configured(conf, *logins) == [frozenset()] * len(logins)


def test_a_new_password_and_a_deletion_hold_at_once(url: str, conf: Path) -> None:
    store, realm = open_store(url), REALM
    old, new = ("maildroid", realm, b"one"), ("maildroid", realm, b"two")
    set_password(store, MAILDROID, b"one")
    set_password(store, MAILDROID, b"two")
    assert sasl_oracle.configured(conf, old, new) == [frozenset(), ALL]
    set_password(store, MAILDROID, None)
    assert sasl_oracle.configured(conf, old, new, mechanisms=FEW) == [frozenset()] * 2


def test_a_long_value_is_read_whole_or_refused(url: str, conf: Path) -> None:
    long = b"p" * MAX_SQL_VALUE
    set_password(open_store(url), MAILDROID, long)
    logins = ("maildroid", REALM, long), ("maildroid", REALM, long[:-1] + b"x")
    found = sasl_oracle.configured(conf, *logins, mechanisms=["CRAM-MD5"])
    assert found == [frozenset({"CRAM-MD5"}), frozenset()]
    with pytest.raises(InexpressibleError, match=f"{MAX_SQL_VALUE + 1} bytes"):
        set_password(open_store(url), MAILDROID, long + b"p")


def test_any_name_opens_its_own_account_and_no_other(url: str, conf: Path) -> None:
    names = ("o'brien", "a\\b", "a\\'b", "100%u", "%p", "a b", "élève", '"', "x;--", "$1", "''", "\\", "%")
    for number, who in enumerate(names):
        set_password(open_store(url), Account(who, REALM), b"secret%d" % number)
    own = [(who, REALM, b"secret%d" % number) for number, who in enumerate(names)]
    assert sasl_oracle.configured(conf, *own, mechanisms=FEW) == [frozenset(FEW)] * len(names)
    others = [(who, REALM, b"secret%d" % (number + 1)) for number, who in enumerate(names)]
    assert sasl_oracle.configured(conf, *others, mechanisms=FEW) == [frozenset()] * len(names)


def test_a_login_name_can_t_inject_sql(url: str, conf: Path) -> None:
    set_password(open_store(url), MAILDROID, b"hi")
    names = (
        INJECTION,
        "x' UNION SELECT 'hi' --",
        "x' OR '1'='1",
        "x\\' OR 1=1 --",
        "\\' UNION SELECT 'hi",
        "x'; DELETE FROM smtpcreds_sasl; --",
    )
    found = sasl_oracle.configured(conf, *((who, REALM, b"hi") for who in names), mechanisms=FEW)
    assert found == [frozenset()] * len(names)
    assert len(open_store(url).load()) == 2


def test_the_reason_why_sqlite_is_refused_holds(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "accounts")) as accounts:
        accounts.execute("CREATE TABLE t (username, realm, prop, value)")
    conf = tmp_path / "Sendmail.conf"
    select = "SELECT value FROM t WHERE username = '%u' AND realm = '%r' AND prop = '%p'"
    settings = {"sql_engine": "sqlite3", "sql_database": tmp_path / "accounts", "sql_select": select}
    settings |= {"pwcheck_method": "auxprop", "auxprop_plugin": "sql", "mech_list": "PLAIN CRAM-MD5"}
    conf.write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    assert sasl_oracle.configured(conf, (INJECTION, REALM, b"hi")) == [{"PLAIN", "CRAM-MD5"}]


def test_the_mail_server_s_role_can_only_read(postgres: Cluster, name: str, url: str, conf: Path) -> None:
    found = re.search(r"^sql_user: (.*)$", conf.read_text(), re.MULTILINE)
    assert found
    reader = postgres.url(name, found[1])
    assert b"first\0r\0userPassword" in open_store(reader).load()
    with pytest.raises(DeniedError, match="permission denied"):
        set_password(open_store(reader), MAILDROID, b"x")
    with pytest.raises(DeniedError):
        open_store(postgres.url(name, postgres.role())).load()


def test_a_verifier_without_clear_text_serves_its_scram(url: str, conf: Path) -> None:
    made = {records.AUTH_PASSWORD: scram_secret(Secret(b"geheim"))}
    open_store(url).apply(lambda found: records.replacement(found, MAILDROID, made))
    logins = ("maildroid", REALM, b"geheim"), ("maildroid", REALM, b"Geheim")
    assert sasl_oracle.configured(conf, *logins) == [{"SCRAM-SHA-256"}, frozenset()]


def test_a_bytea_would_be_read_as_its_digits(postgres: Cluster, name: str, url: str, conf: Path) -> None:
    """Why values are text, and why binary secrets have no place here."""
    table = "smtpcreds_sasl"
    postgres.run(name, f"ALTER TABLE {table} DROP CONSTRAINT smtpcreds_sasl_value_check")
    postgres.run(name, f"ALTER TABLE {table} ALTER value TYPE bytea USING convert_to(value, 'UTF8')")
    logins = ("first", "r", b"x"), ("first", "r", b"\\x78")
    assert sasl_oracle.configured(conf, *logins, mechanisms=FEW) == [frozenset(), frozenset(FEW)]


NAMED = "username TEXT, realm TEXT, prop TEXT"


@pytest.mark.parametrize(
    "definition",
    [
        "TABLE {name} (number INT)",
        f"TABLE {{name}} ({NAMED}, value TEXT)",
        f"TABLE {{name}} ({NAMED}, value BYTEA NOT NULL, PRIMARY KEY (username, realm, prop))",
        f"TABLE {{name}} ({NAMED} NOT NULL, value TEXT NOT NULL, PRIMARY KEY (username, realm))",
        "VIEW {name} AS SELECT ''::text AS username, ''::text AS realm, ''::text AS prop, ''::text AS value",
    ],
)
def test_a_table_of_some_other_program_is_left_alone(
    postgres: Cluster, name: str, url: str, definition: str
) -> None:
    made = "public.smtpcreds_sasl"
    postgres.run(name, f"CREATE {definition.format(name=made)}", f"ALTER TABLE {made} OWNER TO admin")
    for use in (lambda s: s.load(), lambda s: s.signature(), lambda s: set_password(s, MAILDROID, b"x")):
        with pytest.raises(ForeignFormatError, match="not the one this program makes"):
            use(open_store(url))
    postgres.run(name, f"DROP {definition.partition(' ')[0]} {made}")


def test_rows_that_a_policy_hides_are_not_taken_for_none(postgres: Cluster, name: str, url: str) -> None:
    set_password(open_store(url), MAILDROID, b"secret")
    role = postgres.role()
    postgres.psql(name, "\n".join(grants(role)))
    postgres.run(name, "ALTER TABLE smtpcreds_sasl ENABLE ROW LEVEL SECURITY")
    with pytest.raises(DeniedError, match="row-level security"):
        open_store(postgres.url(name, role)).load()
    assert open_store(url).load() == {KEY: b"secret"}


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (KEY, b"\xff", "is binary"),
        (KEY, b"a\0b", "is binary"),
        (KEY, b"", "is empty"),
        (b"no account's", b"x", "not an account's"),
        (b"a\0b\0c\0d", b"x", "not an account's"),
        (b"\xff\0r\0userPassword", b"x", "no UTF-8"),
        (b"\0r\0userPassword", b"x", "empty"),
        (b"u" * 1010 + b"\0r\0userPassword", b"x", "too long"),
    ],
)
def test_what_the_plugin_would_misread_is_refused(url: str, key: bytes, value: bytes, reason: str) -> None:
    store = open_store(url)
    set_password(store, MAILDROID, b"secret")
    with pytest.raises(InexpressibleError, match=reason) as caught:
        store.apply(lambda _: {b"other\0r\0userPassword": b"x", key: value})
    assert "\n" not in f"{caught.value} {caught.value.hint}"
    assert store.load() == {KEY: b"secret"}


def test_no_secret_is_in_the_server_s_log(postgres: Cluster, url: str) -> None:
    store = open_store(url)
    set_password(store, MAILDROID, b"very-secret-one")
    set_password(store, MAILDROID, b"very-secret-two")
    with pytest.raises(InexpressibleError):
        set_password(store, MAILDROID, b"very-secret-\xff")
    log = postgres.log
    assert "COPY public.smtpcreds_sasl" in log
    assert "very-secret" not in log


def test_what_an_index_of_the_administrator_s_refuses_is_reported_without_the_secret(
    postgres: Cluster, name: str, url: str
) -> None:
    store = open_store(url)
    set_password(store, MAILDROID, b"one")
    postgres.run(name, "CREATE INDEX ON smtpcreds_sasl (value)")
    secret = random.Random(url).randbytes(4000).hex()
    with pytest.raises(InexpressibleError, match="index row size") as caught:
        set_password(store, MAILDROID, secret.encode())
    assert secret not in f"{caught.value}{caught.value.hint}"
    assert store.load() == {KEY: b"one"}


def test_another_writer_is_waited_for_and_then_reported(postgres: Cluster, name: str, url: str) -> None:
    set_password(open_store(url), MAILDROID, b"one")
    code = (
        "import sys, psycopg\n"
        "with psycopg.connect(sys.argv[1]) as other:\n"
        " other.execute('UPDATE smtpcreds_sasl SET value = $$two$$')\n"
        " print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError, match="locked by another process"):
            set_password(open_store(url, timeout=0.1), MAILDROID, b"three")
        assert open_store(url).load() == {KEY: b"one"}
        other.communicate(b"go\n")
    assert open_store(url).load() == {KEY: b"two"}


def test_a_transaction_that_began_before_another_and_ended_after_it_is_noticed(
    postgres: Cluster, name: str, url: str
) -> None:
    store = open_store(url)
    store.apply(lambda _: {KEY: b"one", b"other\0r\0userPassword": b"one"})
    script = "UPDATE smtpcreds_sasl SET value = 'two' WHERE username = '{}'"
    with psycopg.connect(url) as early:
        early.execute(script.format("other").encode())
        postgres.psql(name, script.format(MAILDROID.authcid))
        seen = store.signature()
    assert store.signature() != seen


def test_a_standby_is_no_place_to_write(postgres: Cluster, name: str, url: str) -> None:
    role = postgres.role()
    postgres.run(name, f"GRANT CREATE ON SCHEMA public TO {role}")
    postgres.run(name, f"ALTER ROLE {role} SET default_transaction_read_only = on")
    with pytest.raises(WriteError, match="read-only transaction"):
        set_password(open_store(postgres.url(name, role)), MAILDROID, b"x")


@pytest.mark.parametrize(
    ("place", "kind", "reason"),
    [
        ("sqlite:///etc/accounts", ForeignFormatError, "a login without a password"),
        ("sqlite3:///etc/accounts", ForeignFormatError, "a login without a password"),
        ("mysql://db/mail", UsageError, "can only be imported from"),
        ("ldap://db/mail", UsageError, "can only be imported from"),
        ("postgresql://db", UsageError, "names no database"),
        ("postgresql://u:pw5ecret@db/mail", UsageError, "carries a password"),
        ("postgresql://u:pw5ecret/x@db/mail", UsageError, "carries a password"),
        ("postgresql://u:pw5ecret?x@db/mail", UsageError, "carries a password"),
        ("postgresql://db/mail?password=pw5ecret", UsageError, "carries a password"),
        ("postgresql://db/mail?sslpassword=pw5ecret", UsageError, "carries a password"),
        ("postgresql:///mail?nonsense=1", UsageError, "has a parameter 'nonsense'"),
        ("postgresql:///mail?host=/tmp&port=x%zz", UsageError, "libpq can't read it"),
        ("postgresql:///mail?service=x&servicefile=/tmp/services", UsageError, "parameter 'servicefile'"),
        ("postgresql://127.0.0.300/mail?sslmode=disable", UsageError, "sslmode=disable lets"),
        ("postgresql://127.1/mail?sslmode=disable", UsageError, "sslmode=disable lets"),
        ("postgresql://localhost/mail?hostaddr=127.0.0.300&sslmode=disable", UsageError, "sslmode=disable"),
        ("postgresql:///mail?host=/nowhere", UnavailableError, "failed"),
        ("postgresql://db/mail", UnavailableError, "no CA certificate is there to know it by"),
        ("postgresql://db/mail?sslmode=require", UsageError, "sslmode=require lets whoever sits in between"),
        ("postgresql://localhost,db/mail?sslmode=prefer", UsageError, "sslmode=prefer lets"),
        ("postgresql://localhost/mail?hostaddr=192.0.2.1&sslmode=disable", UsageError, "sslmode=disable"),
        ("postgresql://db/mail?require_auth=scram-sha-256,md5", UsageError, "require_auth=scram-sha-256,md5"),
        ("postgresql://db/mail?require_auth=!password", UsageError, "require_auth=!password lets"),
    ],
)
def test_other_urls_are_refused_with_the_reason(place: str, kind: type[SmtpcredsError], reason: str) -> None:
    with pytest.raises(kind, match=reason) as caught:
        open_store(place).load()
    told = f"{caught.value} {caught.value.hint}"
    assert "\n" not in told
    assert "pw5ecret" not in told
