"""What this host is called: no name service is asked where the answer is known, and it is asked once."""

from pathlib import Path

import pytest
from admin import Admin

_RENAMED = (
    'hostname "$1"; mount --bind "$2" /etc/hosts; mount --bind "$3" /etc/resolv.conf; shift 3; exec "$@"'
)


@pytest.fixture
def host(tmp_path: Path) -> Admin:
    """A root on a host whose kernel calls it dmzmail, and whose name server does not answer."""
    root = tmp_path / "host"
    (root / "etc/smtpcreds").mkdir(parents=True)
    hosts, servers = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("127.0.0.1 localhost\n")
    servers.write_text("nameserver 127.0.0.9\noptions timeout:1 attempts:1\n")
    private = ("unshare", "-rum", "sh", "-c", _RENAMED, "sh", "dmzmail", str(hosts), str(servers))
    return Admin(root, (*private, *_watched(tmp_path)))


def _watched(place: Path) -> tuple[str, ...]:
    return ("strace", "-f", "-qq", "-e", "trace=file,network", "-o", str(place / "trace"))


def _questions(place: Path) -> int:
    """Return how often a name service was asked: at each question the library looks at its configuration."""
    looks = [line for line in (place / "trace").read_text().splitlines() if "/etc/resolv.conf" in line]
    return len([line for line in looks if "O_RDONLY" not in line])


def test_the_name_in_etc_hosts_is_taken(host: Admin, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("10.0.0.1 dmzmail.polkatistas.org dmzmail # the hub\n")
    host("ca", "init")
    host("cert", "issue", "attic")
    assert "attic.polkatistas.org" in host("cert", "list").out
    assert _questions(tmp_path) == 0


def test_a_configured_domain_completes_the_name(host: Admin, tmp_path: Path) -> None:
    (host.root / "etc/smtpcreds/smtpcreds.toml").write_text('domain = "polkatistas.org"\n')
    host("ca", "init")
    assert _questions(tmp_path) == 0
    issued = host("cert", "issue", "dmzmail")
    assert _questions(tmp_path) == 0
    assert "next: smtpcreds mta list" in issued


def test_the_mail_name_tells_the_domain(host: Admin, tmp_path: Path) -> None:
    (host.root / "etc/mailname").write_text("polkatistas.org\n")
    (host.root / "etc/hostname").write_text("dmzmail\n")
    host("ca", "init")
    issued = host("cert", "issue", "attic")
    assert "attic.polkatistas.org: " in issued
    assert _questions(tmp_path) == 0


def test_without_any_of_these_a_name_service_is_asked_once(host: Admin, tmp_path: Path) -> None:
    host("ca", "init")
    host("cert", "issue", "attic.polkatistas.org")
    assert _questions(tmp_path) == 1
