"""``sasl auth-info``: Sendmail's default-auth-info byte for byte, and what it can't express."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import ACCOUNT, HUB, Admin, snapshot


def secret(program: Admin, account: str = "maildroid") -> str:
    return program("sasl", "show", account, "--reveal").out.removesuffix("\n")


def test_four_lines(hub: Admin) -> None:
    assert hub("sasl", "auth-info", "maildroid").out == f"maildroid\nmaildroid\n{secret(hub)}\n{HUB}\n"


def test_a_fifth_line_on_request(hub: Admin) -> None:
    ran = hub("sasl", "auth-info", "maildroid", "--mechanism", "SCRAM-SHA-256", "--mechanism", "cram-md5")
    assert ran.out.splitlines()[4:] == ["SCRAM-SHA-256 CRAM-MD5"]


@pytest.mark.parametrize("name", ["SCRAM SHA", "x" * 21, "PLAIN,LOGIN", "\n"])
def test_what_is_no_mechanism(hub: Admin, name: str) -> None:
    assert "is not a name of a mechanism" in hub.refuses(
        64, "sasl", "auth-info", "maildroid", "--mechanism", name
    )


def test_another_realm_than_the_relays_is_written_into_the_ids(hub: Admin) -> None:
    hub("sasl", "add", "droid@example.net")
    whole = "droid@example.net"
    expected = f"{whole}\n{whole}\n{secret(hub, whole)}\nexample.net\n"
    assert hub("sasl", "auth-info", whole).out == expected
    assert hub("sasl", "auth-info", "droid", "--realm", "example.net").out == expected


def test_to_a_file(hub: Admin) -> None:
    path = hub.root.parent / "new/dir/default-auth-info"
    ran = hub("sasl", "auth-info", "maildroid", "--to", path)
    found = path.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o600, 0, 0)
    assert path.read_text() == hub("sasl", "auth-info", "maildroid").out
    assert f"  {path}  0600 root:root\n" in ran.out
    assert secret(hub) not in ran.out
    again = hub("sasl", "auth-info", "maildroid", "--to", path, "--json")
    assert again.data == {
        "account": ACCOUNT,
        "login": "maildroid",
        "file": str(path),
        "changed": False,
        "warnings": [],
    }


def test_other_credentials_are_left_alone_without_force(hub: Admin) -> None:
    path = hub.write("default-auth-info", "somebody\nsomebody\nelse\n")
    said = hub.refuses(73, "sasl", "auth-info", "maildroid", "--to", path)
    assert said == (
        f"smtpcreds: {path}: holds other credentials and was not changed\n  hint: pass --force to replace it"
    )
    assert path.read_text() == "somebody\nsomebody\nelse\n"
    hub("sasl", "auth-info", "maildroid", "--to", path, "--force")
    assert path.read_text().startswith("maildroid\n")


@pytest.mark.parametrize(
    ("obstacle", "status", "said"),
    [
        ("link", 77, "is a symbolic link and is not followed"),
        ("directory", 77, "is not a regular file"),
        ("fifo", 77, "is not a regular file"),
        ("loose", 77, "has mode 0644; others may use it"),
        ("foreign", 77, "belongs to user nobody"),
        ("loose parent", 77, "which is writable by everybody"),
    ],
)
def test_obstacles(hub: Admin, tmp_path: Path, obstacle: str, status: int, said: str) -> None:
    path = tmp_path / "place/file"
    path.parent.mkdir()
    victim = hub.write("victim", "precious\n")
    make: dict[str, Callable[[], object]] = {
        "link": lambda: path.symlink_to(victim),
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "loose": lambda: hub.write(str(path.relative_to(tmp_path)), "x", 0o644),
        "foreign": lambda: os.chown(hub.write("place/file", "x"), 65534, -1),
        "loose parent": lambda: path.parent.chmod(0o777),
    }
    make[obstacle]()
    before = snapshot(tmp_path)
    assert said in hub.refuses(status, "sasl", "auth-info", "maildroid", "--to", path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("account", "password", "said"),
    [
        ("droid", "#g3heimnis", "the secret begins with #"),
        ("#droid", "g3heimnis", "the authorization id begins with #"),
    ],
)
def test_what_the_format_cannot_express(hub: Admin, account: str, password: str, said: str) -> None:
    hub.write("secret", password)
    hub("sasl", "add", account, "--password", "file:secret")
    refused = hub.refuses(65, "sasl", "auth-info", account)
    assert f"smtpcreds: {account}@{HUB}: {said}, which default-auth-info can't express" in refused
    assert ("sasl passwd" in refused) == ("the secret" in said), "another secret cures a secret only"
    assert password not in refused.replace(account, "")


def test_an_account_without_clear_text_says_so(hub: Admin) -> None:
    from smtpcreds.sasldb.opening import open_store

    key = f"hashed\0{HUB}\0cmusaslsecretPLAIN".encode()
    open_store(str(hub.path("/etc/sasldb2"))).apply(lambda _: {key: b"salt\0hash"})
    said = hub.refuses(65, "sasl", "auth-info", "hashed")
    assert f"hashed@{HUB}: is stored without clear text; its secret can't be read back" in said
    assert "hint: say where it is kept with --password SOURCE, or give it another one: " in said


def test_not_as_json(hub: Admin) -> None:
    assert "a secret is not printed as JSON" in hub.refuses(64, "sasl", "auth-info", "maildroid", "--json")


def test_a_dry_run_writes_nothing(hub: Admin, tmp_path: Path) -> None:
    ran = hub("sasl", "auth-info", "maildroid", "--to", "out", "-n")
    assert ran.out == f"would write {tmp_path}/out  0600  (credentials of {ACCOUNT})\n"
    assert not (tmp_path / "out").exists()
    assert hub("sasl", "auth-info", "maildroid", "-n").out == ""
