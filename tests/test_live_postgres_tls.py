"""A database server on another host: known by a certificate of our own authority, or it gets nothing."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from admin import DOMAIN
from lab import Host, Lab
from lab.msmtp import MSMTP
from lab.postgresql import HOME, USER, Postgresql
from mail_hosts import MailHost

pytestmark = pytest.mark.live

SERVER = f"db.{DOMAIN}"
CERTS = "/etc/mail/certs"
PASSWORD = "P0lka-role"
ROOT = f"sslrootcert={CERTS}/cacert.pem"
SHOWN = f"sslcert={CERTS}/db-cert.pem&sslkey={CERTS}/db-key.pem"
PORT = 5433
README = {
    "test_a_server_with_a_certificate_of_ours_is_known": """\
smtpcreds cert issue db.polkatistas.org --server --to /root/db
ssl = on
ssl_cert_file = '.../db-cert.pem'
ssl_key_file = '.../db-key.pem'
ssl_ca_file = '.../cacert.pem'
hostssl mail smtpcreds,hub all scram-sha-256
sudo -u postgres createuser --pwprompt smtpcreds && sudo -u postgres createuser --pwprompt hub
sudo -u postgres createdb -O smtpcreds -E UTF8 -T template0 mail
inventory = "postgresql://smtpcreds@db.polkatistas.org/mail?sslrootcert=/etc/mail/certs/cacert.pem"
[sasl]
database = "postgresql://smtpcreds@db.polkatistas.org/mail?sslrootcert=/etc/mail/certs/cacert.pem"
""",
}
"""Here the database host issues its own certificate, and its roles and databases are made in SQL."""
LIVES = "/var/lib/admin"
"""Where the administrator has ~/.pgpass; /root is this machine's own."""
LIBPQ = pytest.mark.parametrize("implementation", ["binary", "python"], ids=["own libpq", "libpq of Debian"])
"""psycopg's own libpq has require_auth; that of Debian 12 is 15, and has not."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def admin(lab: Lab) -> MailHost:
    """The host of the database and of its administrator, who has the role's password."""
    host = lab.host(SERVER, MSMTP)
    admin = MailHost(host)
    admin("ca", "init", "--no-passphrase")
    admin("cert", "issue", SERVER)
    host.run(("mkdir", LIVES))
    host.write(f"{LIVES}/.pgpass", f"*:*:*:admin:{PASSWORD}\n", 0o600)
    return admin


@pytest.fixture(scope="module")
def database(admin: MailHost) -> Postgresql:
    database = Postgresql(admin.host)
    files = " ".join(f"{CERTS}/{name}.pem" for name in ("cacert", "db-cert", "db-key"))
    admin.host.shell(f"cp {files} {HOME} && chown {USER}:{USER} {HOME}/*.pem")
    tls = "".join(
        f"{option} = '{HOME}/{name}.pem'\n"
        for option, name in (
            ("ssl_ca_file", "cacert"),
            ("ssl_cert_file", "db-cert"),
            ("ssl_key_file", "db-key"),
        )
    )
    database.identify(SERVER, "shown")
    database.start(
        f"listen_addresses = '*'\nssl = on\n{tls}",
        "host plain admin all scram-sha-256\nhost loose admin all trust\nhostssl clear admin all password\n"
        "hostssl all admin all scram-sha-256\nhostssl all shown all cert map=hosts\n",
    )
    database.sql("postgres", f"CREATE ROLE admin LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE shown LOGIN;")
    for name, owner in (("mail", "admin"), ("clear", "admin"), ("loose", "admin"), ("shared", "shown")):
        database.sql("postgres", f"CREATE DATABASE {name} OWNER {owner}")
    return database


def listed(admin: MailHost, url: str, implementation: str) -> tuple[int, str]:
    """Ask for the accounts in the database; return how that ended."""
    environment = ("env", f"PSYCOPG_IMPL={implementation}", f"HOME={LIVES}")
    ran = admin.run("sasl", "list", "--database", url, before=environment)
    return ran.status, str(ran)


@LIBPQ
def test_a_server_with_a_certificate_of_ours_is_known(
    admin: MailHost, database: Postgresql, implementation: str
) -> None:
    status, said = listed(admin, f"postgresql://admin@{SERVER}/mail?{ROOT}", implementation)
    assert (status, said.split(" in ")[0]) == (0, "no accounts"), said
    assert "SCRAM" in database.sql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'admin'")


@LIBPQ
def test_a_client_certificate_of_ours_lets_in(
    admin: MailHost, database: Postgresql, implementation: str
) -> None:
    status, said = listed(admin, f"postgresql://shown@{SERVER}/shared?{ROOT}&{SHOWN}", implementation)
    assert (status, said.split(" in ")[0]) == (0, "no accounts"), said


@LIBPQ
def test_a_name_that_is_not_in_the_certificate_is_refused(
    admin: MailHost, database: Postgresql, implementation: str
) -> None:
    status, said = listed(admin, f"postgresql://admin@{admin.host.address}/mail?{ROOT}", implementation)
    assert status == 69
    assert "does not match host name" in said


@LIBPQ
@pytest.mark.parametrize("certificate", ["", f"&{SHOWN}"])
def test_a_password_in_clear_is_not_given_even_to_a_known_server(
    admin: MailHost, database: Postgresql, implementation: str, certificate: str
) -> None:
    status, said = listed(admin, f"postgresql://admin@{SERVER}/clear?{ROOT}{certificate}", implementation)
    assert status == 69, said
    assert "requirement" in said or "channel binding required" in said or "no password supplied" in said


@LIBPQ
def test_a_server_at_a_port_of_this_host_has_to_know_the_password(
    admin: MailHost, database: Postgresql, implementation: str
) -> None:
    """Any user can listen there while ours is down, and let everybody in: what is written would be his."""
    status, said = listed(admin, "postgresql://admin@127.0.0.1/mail", implementation)
    assert (status, said.split(" in ")[0]) == (0, "no accounts"), said
    for query in ("", "?sslmode=require"):
        status, said = listed(admin, f"postgresql://admin@127.0.0.1/loose{query}", implementation)
        assert status == 69, said
        assert "reach it through its socket" in said
    way_out = "require_auth=none" if implementation == "binary" else "channel_binding=disable"
    assert way_out.partition("=")[0] in said
    status, said = listed(admin, f"postgresql://admin@127.0.0.1/loose?{way_out}", implementation)
    assert (status, said.split(" in ")[0]) == (0, "no accounts"), said


FAKE = f"""
import socket, struct, sys, threading
def serve(server):
    while True:
        client, _ = server.accept()
        heard = b""
        with client:
            client.settimeout(120)
            try:
                while part := client.recv(4096):
                    heard += part
                    if part[4:8] in (struct.pack("!I", 80877103), struct.pack("!I", 80877104)):
                        client.sendall(b"N")
                    elif part[:1] == b"p":
                        break
                    else:
                        client.sendall(b"R" + struct.pack("!II", 8, 3))
            except OSError:
                pass
        print("heard", heard.hex(), flush=True)
with socket.create_server(("0.0.0.0", {PORT})) as server:
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    print("listening", flush=True)
    sys.stdin.read()
"""
"""Says "no TLS, clear-text password", as in PostgreSQL's protocol: SSLRequest, GSSENCRequest, 'N', 'R' 3."""


@contextmanager
def fake_server(host: Host) -> Iterator["subprocess.Popen[str]"]:
    command = host.namespace.command((sys.executable, "-c", FAKE))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as fake:
        assert fake.stdin
        assert fake.stdout
        assert fake.stdout.readline() == "listening\n"
        yield fake
        fake.stdin.close()


def heard(fake: "subprocess.Popen[str]") -> bytes:
    assert fake.stdout
    return bytes.fromhex(fake.stdout.readline().removeprefix("heard "))


@LIBPQ
@pytest.mark.parametrize("certificate", ["", f"&{SHOWN}"])
def test_a_fake_server_without_tls_gets_no_password(
    admin: MailHost, implementation: str, certificate: str
) -> None:
    with fake_server(admin.host) as fake:
        url = f"postgresql://admin@{SERVER}:{PORT}/mail?{ROOT}{certificate}"
        status, said = listed(admin, url, implementation)
        assert status == 69
        assert "does not support SSL" in said
        got = heard(fake)
    assert got
    assert b"admin" not in got
    assert PASSWORD.encode() not in got


def test_the_fake_server_gets_it_from_libpq_by_itself(admin: MailHost) -> None:
    """So the test above can fail."""
    with fake_server(admin.host) as fake:
        url = f"postgresql://admin@{SERVER}:{PORT}/mail"
        script = f"import psycopg\ntry: psycopg.connect({url!r})\nexcept psycopg.Error: pass"
        admin.host.run(("env", f"HOME={LIVES}", sys.executable, "-c", script))
        assert PASSWORD.encode() in heard(fake)


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_a_weaker_mode_is_refused_before_anything_is_sent(admin: MailHost, mode: str) -> None:
    said = admin.refused("sasl", "list", "--database", f"postgresql://admin@{SERVER}/mail?sslmode={mode}")
    assert re.search(rf"sslmode={mode} lets whoever sits in between read passwords", said)
    assert "leave sslmode out" in said


def test_a_service_file_and_the_environment_can_not_weaken_it(admin: MailHost) -> None:
    """Both are read by libpq behind our back: the URL names no host."""
    admin.host.write(
        f"{LIVES}/.pg_service.conf", f"[mail]\nhost={SERVER}\nport={PORT}\nsslmode=disable\n", 0o600
    )
    by_environment = (
        f"PGHOST={SERVER}",
        f"PGPORT={PORT}",
        "PGSSLMODE=disable",
        f"PGSSLROOTCERT={CERTS}/cacert.pem",
    )
    for url, variables in (
        ("postgresql://admin@/mail?service=mail", ()),
        ("postgresql://admin@/mail", by_environment),
    ):
        with fake_server(admin.host) as fake:
            ran = admin.run("sasl", "list", "--database", url, before=("env", f"HOME={LIVES}", *variables))
            assert ran.status == 69, ran
            if not variables:
                continue  # without a CA certificate libpq does not even connect
            assert PASSWORD.encode() not in heard(fake)
