"""A server that another user puts where PostgreSQL would be gets no password in clear text."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from postgres_cluster import Cluster

from smtpcreds.errors import UnavailableError, UnsafePathError
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
