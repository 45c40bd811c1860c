"""A server that another user puts where PostgreSQL would be gets no password in clear text."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgres_cluster import Cluster

from smtpcreds.errors import UnavailableError, UnsafePathError, UsageError
from smtpcreds.postgres import parse_url
from smtpcreds.sasldb.opening import open_store

PASSWORD = "S3cret.of.the.role"
_CLEAR_TEXT = b"R\0\0\0\x08\0\0\0\x03"
_AUTH = 160000
"""The version of libpq that can be told which ways to log in it may take."""


@contextmanager
def asking(server: socket.socket) -> Iterator[bytearray]:
    """Ask one client for its password in clear text; give what it said."""
    heard = bytearray()

    def serve() -> None:
        with server, server.accept()[0] as client:
            while said := client.recv(4096):
                heard.extend(said)
                is_first = b"user\0" in said
                client.sendall(_CLEAR_TEXT if is_first else b"N")
                if PASSWORD.encode() in said:
                    return

    server.listen()
    thread = threading.Thread(target=serve)
    thread.start()
    yield heard
    thread.join()


@pytest.mark.parametrize("way", ["loopback", "socket"])
@pytest.mark.parametrize("asked", ["", "&require_auth=password"])
def test_a_password_in_clear_only_where_the_url_says_so(
    way: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert psycopg.pq.version() >= _AUTH, "a libpq before 16 can't be told"
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    server = socket.socket(socket.AF_INET if way == "loopback" else socket.AF_UNIX)
    server.bind(("127.0.0.1", 0) if way == "loopback" else str(tmp_path / ".s.PGSQL.5432"))
    port = server.getsockname()[1] if way == "loopback" else 5432
    place = "127.0.0.1" if way == "loopback" else tmp_path
    with asking(server) as heard, pytest.raises(UnavailableError) as caught:
        open_store(f"postgresql://admin@/mail?host={place}&port={port}{asked}").load()
    assert (PASSWORD.encode() in heard) == bool(asked)
    assert asked or "require_auth=password in the URL" in str(caught.value.hint)


MALLORY = 4711


@pytest.mark.parametrize("asked", ["", "&require_auth=password,md5,none"])
@pytest.mark.parametrize("place", ["open", "of another user", "below another user's"])
def test_nothing_is_said_to_a_socket_that_anybody_may_have_put_there(
    asked: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the URL says of passwords: it is not known whose server that is."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    directory = tmp_path / "above/sockets"
    directory.mkdir(parents=True)
    if place == "open":
        directory.chmod(0o1777)
    elif place == "of another user":
        directory.parent.chmod(0o1777)
        os.chown(directory, MALLORY, MALLORY)
    else:
        os.chown(directory.parent, MALLORY, MALLORY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / ".s.PGSQL.5432"))
        server.listen()
        server.setblocking(False)
        with pytest.raises(UnsafePathError, match="where every user can put another"):
            open_store(f"postgresql://admin@/mail?host={directory}{asked}").load()
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def open_place(tmp_path: Path) -> Iterator[tuple[Path, socket.socket]]:
    """A directory in which any user could put a socket, with one, at which nobody has to connect."""
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o1777)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(directory / ".s.PGSQL.5432"))
        server.listen()
        server.setblocking(False)
        yield directory, server
        with pytest.raises(BlockingIOError):
            server.accept()


WAYS_TO_SAY_IT = {
    "in a service file": ("postgresql://admin@/mail?service=mail", {}),
    "in the environment's service": ("postgresql://admin@/mail", {"PGSERVICE": "mail"}),
    "in the environment": ("postgresql://admin@/mail", {"PGHOST": "{open}"}),
    "beside the usual one": ("postgresql://admin@/mail?host=,{open}", {}),
    "before a good one": ("postgresql://admin@/mail?host={open},{closed}", {}),
}


@pytest.mark.parametrize("way", WAYS_TO_SAY_IT)
def test_wherever_the_directory_is_named(
    way: str, tmp_path: Path, open_place: tuple[Path, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, variables = WAYS_TO_SAY_IT[way]
    (tmp_path / "closed").mkdir()
    places = {"open": open_place[0], "closed": tmp_path / "closed"}
    service = tmp_path / "pg_service.conf"
    service.write_text(f"[mail]\nhost={open_place[0]}\n")
    service.chmod(0o600)
    for name, value in {"PGPASSWORD": PASSWORD, "PGSERVICEFILE": str(service), **variables}.items():
        monkeypatch.setenv(name, value.format(**places))
    url = url.format(**places)
    with pytest.raises(UnsafePathError, match="where every user can put another"):
        open_store(f"{url}{'&' if '?' in url else '?'}require_auth=password").load()


@pytest.mark.parametrize("implementation", ["binary", "python"], ids=["own libpq", "libpq of Debian"])
def test_the_directory_that_libpq_has_built_in(
    implementation: str, open_place: tuple[Path, socket.socket], tmp_path: Path
) -> None:
    """A URL without a host leads to it; on Debian it is postgres', in libpq as its authors build it /tmp."""
    script = "mount -t tmpfs none /run && mkdir /run/postgresql && mount --bind $0 /run/postgresql && exec $@"
    url = "postgresql://admin@/mail?require_auth=password"
    if implementation == "python":
        url = "postgresql://admin@/mail"  # libpq 15 knows no require_auth
    words = (sys.executable, "-m", "smtpcreds", "--root", tmp_path, "sasl", "list", "--database", url)
    done = subprocess.run(
        ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, open_place[0], *words),
        env={**os.environ, "PSYCOPG_IMPL": implementation, "PGPASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 77, done.stderr
    assert "has its socket in /var/run/postgresql, where every user can put another" in done.stderr
    assert "requirepeer=postgres" in done.stderr


@pytest.mark.parametrize("missing", ["open/none", "open/none/deeper"])
def test_a_directory_that_another_user_could_make(
    missing: str, open_place: tuple[Path, socket.socket], tmp_path: Path
) -> None:
    with pytest.raises(UnsafePathError, match="where every user can put another"):
        open_store(f"postgresql://admin@/mail?host={tmp_path}/{missing}").load()


@pytest.mark.parametrize("missing", ["none", "none/deeper"])
def test_a_directory_that_is_not_there(missing: str, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="No such file or directory"):
        open_store(f"postgresql://admin@/mail?host={tmp_path}/{missing}").load()


@pytest.mark.parametrize("by", ["the URL", "the environment"])
def test_a_service_elsewhere_is_held_to_tls(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """192.0.2.1 is nobody's (RFC 5737); without a CA certificate it is not even connected to."""
    service = tmp_path / "pg_service.conf"
    service.write_text("[mail]\nhost=192.0.2.1\nsslmode=disable\nrequire_auth=password\nconnect_timeout=2\n")
    service.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    if by == "the environment":
        monkeypatch.setenv("PGSERVICE", "mail")
    asked = "?service=mail" * (by == "the URL")
    with pytest.raises(UnavailableError, match="no CA certificate is there to know it by"):
        open_store(f"postgresql://admin@/mail{asked}").load()


def test_a_service_of_this_host_needs_no_tls(
    postgres: Cluster, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = tmp_path / "pg_service.conf"
    service.write_text(f"[mail]\nhost={postgres.socket}\ndbname={name}\nuser=admin\n")
    service.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    store = open_store("postgresql:///?service=mail")
    store.apply(lambda _: {b"first\0r\0userPassword": b"x"})
    assert len(store.load()) == 1


@pytest.mark.parametrize("name", ["password", "sslpassword", "scram_client_key", "oauth_client_secret"])
def test_a_secret_of_the_url_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="carries a password") as caught:
        parse_url(f"postgresql://admin@/mail?{name}={PASSWORD}")
    assert PASSWORD not in str(caught.value)


READ_BY_LIBPQ = (
    ".pgpass",
    ".pg_service.conf",
    ".postgresql/root.crt",
    ".postgresql/root.crl",
    ".postgresql/postgresql.crt",
    ".postgresql/postgresql.key",
)


@pytest.mark.parametrize("how", ["foreign", "writable", "foreign directory"])
@pytest.mark.parametrize("name", READ_BY_LIBPQ)
def test_what_another_user_wrote_for_libpq_is_not_obeyed(
    how: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOME is that of whoever called ``sudo -E``; his password is one that his own server knows."""
    path = tmp_path / "home" / name
    path.parent.mkdir(parents=True)
    path.write_text("[mail]\nhost=127.0.0.1\n")
    path.chmod(0o666 if how == "writable" else 0o600)
    if how != "writable":
        os.chown(path if how == "foreign" else path.parent, MALLORY, MALLORY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    asked = "&service=mail" if "service" in name else ""
    with pytest.raises(UnsafePathError, match=r"uid 4711|everybody may change it"):
        open_store(f"postgresql://admin@127.0.0.1:1/mail?connect_timeout=2{asked}").load()


@pytest.mark.parametrize("name", ["passfile", "sslrootcert", "sslcrl", "sslcert", "sslkey"])
def test_what_the_url_names_is_held_to_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "named").touch(0o600)
    os.chown(tmp_path / "named", MALLORY, MALLORY)
    with pytest.raises(UnsafePathError, match="belongs to uid 4711"):
        open_store(f"postgresql://admin@127.0.0.1:1/mail?{name}={tmp_path}/named").load()


def test_libpq_does_not_write_down_what_opens_the_connection(tmp_path: Path) -> None:
    """Its sslkeylogfile, which follows links of others, too."""
    with pytest.raises(UsageError, match="sslkeylogfile"):
        open_store(f"postgresql://admin@127.0.0.1:1/mail?sslkeylogfile={tmp_path}/log").load()


def test_a_socket_where_every_user_can_put_one(postgres: Cluster, name: str, tmp_path: Path) -> None:
    (tmp_path / ".s.PGSQL.5432").symlink_to(f"{postgres.socket}/.s.PGSQL.5432")
    url = f"postgresql://admin@/{name}?host={tmp_path}"
    open_store(url).apply(lambda _: {b"first\0r\0userPassword": b"x"})
    tmp_path.chmod(0o1777)
    with pytest.raises(UnsafePathError, match="where every user can put another") as caught:
        open_store(url).load()
    assert "requirepeer=postgres" in str(caught.value.hint)
    owner = "postgres" if os.geteuid() == 0 else ""
    assert not owner or open_store(f"{url}&requirepeer={owner}").load()


@pytest.mark.parametrize("place", ["[::1", "::1]:5432", "db.example,[::1"])
def test_an_address_has_both_brackets(place: str) -> None:
    with pytest.raises(UsageError, match="is not a URL"):
        parse_url(f"postgresql://{place}/mail")
