"""``tlsa switch --resolver`` against NSD, which also reads every line that ``tlsa`` prints as a zone."""

import shlex
from pathlib import Path

import pytest
from admin import CERTS, DOMAIN, HUB, Admin
from lab import nsd
from manual_examples import page_lines
from place import PLACE

NEXT = f"{CERTS}/dmzmail-key.pem.new"
SWITCH = ("tlsa", "switch", "dmzmail", "--resolver")


@pytest.fixture
def half_way(hub: Admin) -> tuple[Admin, list[str]]:
    """A hub two minutes after ``tlsa next`` with a TTL of one, and the lines for its zone."""
    lines = hub("tlsa", "next", "dmzmail", "--ttl", "60", "--port", "25", "--port", "587").out.splitlines()
    return hub.at("+3 minutes"), lines


def test_the_switch_waits_for_the_record(half_way: tuple[Admin, list[str]], tmp_path: Path) -> None:
    program, lines = half_way
    old = [line for line in lines if not line.startswith("_25.") or lines.index(line) != 1]
    with nsd.serving(tmp_path, DOMAIN, old) as port:
        said = program.refuses(75, *SWITCH, f"{nsd.ADDRESS}:{port}")
        assert said.startswith(f"smtpcreds: _25._tcp.{HUB}.: {nsd.ADDRESS}:{port} does not give 3 1 1 ")
        assert said.endswith(f"hint: publish what this prints: smtpcreds tlsa show {HUB}")
        ports = ("--port", "465", "--port", "587")
        assert "smtpcreds: _465._tcp." in program.refuses(75, *SWITCH, f"{nsd.ADDRESS}:{port}", *ports)
        assert "would write" in program(*SWITCH, f"{nsd.ADDRESS}:{port}", "--port", "587", "-n").out
    assert program.path(NEXT).exists()


def test_the_switch_when_the_record_is_seen(half_way: tuple[Admin, list[str]], tmp_path: Path) -> None:
    program, lines = half_way
    with nsd.serving(tmp_path, DOMAIN, lines) as port:
        ran = program(*SWITCH, f"{nsd.ADDRESS}:{port}", "--port", "25", "--port", "587")
    assert ran.err == ""
    assert not program.path(NEXT).exists()


def test_the_whole_way_of_the_page(hub: Admin, tmp_path: Path) -> None:
    lines = page_lines("smtpcreds-tlsa.1", {"192.0.2.53": f"{nsd.ADDRESS}:{nsd.PORT}", "systemctl": "echo"})
    first, switch, retire = (shlex.split(line)[1:] for line in lines)
    with nsd.serving(tmp_path, DOMAIN, hub(*first).out.splitlines()) as port:
        assert port == nsd.PORT
        assert "try-reload-or-restart sendmail" in hub.at("+3 hours")(*switch)
    hub.at("+6 hours")(*retire)
    assert hub("tlsa", "plan", "dmzmail", "--json").data["stage"] == "settled"


def test_a_zone_that_is_not_there(half_way: tuple[Admin, list[str]], tmp_path: Path) -> None:
    program, _ = half_way
    with nsd.serving(tmp_path, "example.net", []) as port:
        assert "TLSA with REFUSED" in program.refuses(69, *SWITCH, f"{nsd.ADDRESS}:{port}")
    assert "did not answer" in program.refuses(69, *SWITCH, f"{nsd.ADDRESS}:{port}")


@pytest.mark.parametrize(
    "text", ["ns.example.net", "192.0.2.1:0", "192.0.2.1:x", "[::1", "[::1]53", "::1:53:", "1.2.3"]
)
def test_what_is_no_address(hub: Admin, text: str) -> None:
    assert "is not an IP address of a name server" in hub.refuses(64, *SWITCH, text)


def test_without_dnspython_it_says_what_to_install(half_way: tuple[Admin, list[str]], tmp_path: Path) -> None:
    program, _ = half_way
    (tmp_path / "without").mkdir()
    (tmp_path / "without/dns.py").write_text("raise ImportError('left out')\n")
    env = {"PYTHONPATH": f"{tmp_path / 'without'}:{PLACE}"}
    said = program.refuses(69, *SWITCH, "192.0.2.53", env=env)
    assert "--resolver: needs dnspython, which can't be imported (left out)" in said
    assert said.endswith("-m pip install dnspython")
    program("tlsa", "switch", "dmzmail", env=env)
