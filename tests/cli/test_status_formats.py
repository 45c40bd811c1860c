"""The other forms of ``status``: what promtool, Nagios' rules and a browser say of them."""

import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from admin import CERTS, DOMAIN, HUB, Admin, peer
from lab import browser, debs

from smtpcreds.config import Settings, Site
from smtpcreds.model import Root
from smtpcreds.status.gather import Status, gather
from smtpcreds.status.html import render

from .status_scene import HOSTILE, hostile, inhabited

PROM, HTML = ("status", "--format", "prometheus"), ("status", "--format", "html")
NAGIOS = ("status", "--format", "nagios")
PLUGIN = re.compile(r"SMTPCREDS (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+)\|(.*)\n")
DATUM = re.compile(r"[a-z_]+=-?\d+(;[0-9:]*){0,4}")
GREEN, AMBER, RED, NIGHT = (47, 143, 107), (201, 138, 12), (201, 57, 47), (18, 22, 28)


@pytest.fixture(scope="module")
def scene(hub_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Admin:
    root = tmp_path_factory.mktemp("forms") / "root"
    subprocess.run(["cp", "-a", hub_tree, root], check=True)
    return inhabited(Admin(root))


def promtool(text: str) -> str:
    """Return what promtool finds fault with."""
    tool = debs.unpacked("prometheus") / "usr/bin/promtool"
    return peer(tool, "check", "metrics", stdin=text.encode(), status=None)


def samples(text: str) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_promtool_accepts_the_metrics(scene: Admin) -> None:
    text = scene(*PROM).out
    assert promtool(text) == ""
    assert promtool(text.replace('host="', "host=")) != "", "promtool can find fault"
    ends = {name: value for name, value in samples(text).items() if "certificate_not_after" in name}
    assert len(ends) == 4
    end = peer("openssl", "x509", "-in", scene.path(f"{CERTS}/attic-cert.pem"), "-noout", "-enddate")
    seconds = peer("date", "-d", end.partition("=")[2].strip(), "+%s")
    assert min(ends.values()) == float(seconds)


def test_promtool_accepts_hostile_names(smtpcreds: Admin) -> None:
    text = hostile(smtpcreds)(*PROM).out
    assert promtool(text) == ""
    assert 'host="<script>alert(\\"1\\")</script>\\\\n\\"x\\"\\n</svg>"' in text


def test_both_authorities_are_measured(hub: Admin) -> None:
    hub("ca", "rollover")
    text = hub(*PROM).out
    assert promtool(text) == ""
    assert (
        text.count('smtpcreds_authority_not_after_timestamp_seconds{authority="polkatistas.org Mail CA') == 2
    )


def test_the_file_is_for_everybody_to_read_and_is_replaced(scene: Admin, tmp_path: Path) -> None:
    path = tmp_path / "smtpcreds.prom"
    assert scene(*PROM, "--output", path, "-n").out == f"would write {path}  0644\n"
    assert not path.exists()
    for _ in range(2):
        assert scene(*PROM, "--output", path).out.startswith(f"{path}  0644 ")
    assert promtool(path.read_text()) == ""
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_a_file_of_others_is_left_alone(scene: Admin, tmp_path: Path) -> None:
    path = tmp_path / "node.prom"
    path.write_text("# of others\n")
    assert "was not written by this command" in scene.refuses(73, *PROM, "--output", path)
    assert path.read_text() == "# of others\n"
    scene(*PROM, "--output", path, "--force")
    assert promtool(path.read_text()) == ""


def test_the_collector_reads_no_other_names(scene: Admin, tmp_path: Path) -> None:
    assert "does not end in .prom" in scene.refuses(64, *PROM, "--output", tmp_path / "smtpcreds.txt")
    (tmp_path / "file").touch()
    assert "is not a directory" in scene.refuses(66, *PROM, "--output", tmp_path / "file/x.prom")
    said = scene.refuses(66, *PROM, "--output", tmp_path / "none/x.prom")
    assert said.endswith(f"there is no such directory\n  hint: mkdir -p {tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("span", "more", "status", "word", "said"),
    [
        ("+0 days", (), 0, "OK", "attic.polkatistas.org is the next to end, 39 days left"),
        ("+31 days", (), 2, "CRITICAL", "CRL, expired"),
        ("+0 days", ("--warning", "300", "--critical", "200"), 0, "OK", "39 days left"),
        ("+24 days", (), 1, "WARNING", "CRL, 5 days left"),
    ],
)
def test_nagios(scene: Admin, span: str, more: tuple[str, ...], status: int, word: str, said: str) -> None:
    ran = scene.at(span).run(*NAGIOS, *more)
    assert ran.status == status
    match = PLUGIN.fullmatch(ran.out)
    assert match, ran.out
    assert match[1] == word
    assert said in match[2]
    for datum in match[3].split():
        assert DATUM.fullmatch(datum), datum
    assert ran.err == ""


def test_nagios_by_days(hub: Admin) -> None:
    then = hub.at("+350 days")
    then("ca", "crl")
    assert then.run(*NAGIOS).out.startswith(
        "SMTPCREDS WARNING - dmzmail.polkatistas.org: certificate, 14 days left|"
    )
    assert then.run(*NAGIOS, "--warning", "13").status == 0
    assert then.run(*NAGIOS, "--critical", "15").status == 2


def test_nagios_knows_nothing_of_an_empty_host(bare: Admin) -> None:
    ran = bare.run(*NAGIOS)
    assert (ran.status, ran.out) == (3, "SMTPCREDS UNKNOWN - no authority, certificate or account here\n")


def test_nagios_does_not_know_what_it_can_not_read(hub: Admin) -> None:
    hub.path("/var/lib/smtpcreds/ca/ca-cert.pem").write_text("damaged")
    ran = hub.run(*NAGIOS)
    assert ran.status == 3
    assert re.fullmatch(r"SMTPCREDS UNKNOWN - [^\n|]*ca-cert.pem: .*\n", ran.out)


def test_nagios_keeps_its_line_whatever_the_names(smtpcreds: Admin) -> None:
    program = hostile(smtpcreds).at("+364 days")
    out = program.run(*NAGIOS).out
    assert PLUGIN.fullmatch(out), out


def test_a_browser_shows_the_page(scene: Admin, tmp_path: Path) -> None:
    page = tmp_path / "status.html"
    scene.at("+31 days")(*HTML, "--output", page)
    shown = browser.dom(page)
    assert shown.count('<i class="life"') == 6, "an authority, its CRL and four certificates"
    assert 'class="pill bad">1 expired<' in shown
    assert "<code>smtpcreds ca crl</code>" in shown
    drawn = browser.colours(page)
    for colour in (GREEN, AMBER, RED):
        assert drawn[colour] > 50, colour
    by_night = browser.colours(page, browser.DARK)
    assert by_night[NIGHT] > 10_000
    assert drawn[NIGHT] == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_a_telephone_and_a_desk(hub: Admin, tmp_path: Path, width: int) -> None:
    page, program = tmp_path / "status.html", inhabited(hub)
    program("cert", "issue", f"{'a-name-that-somebody-chose-' * 2}x.{'deep.' * 12}polkatistas.org")
    program("sasl", "add", "the-" * 12 + "account")
    program("ca", "rollover")
    program(*HTML, "--output", page)
    assert browser.overflowing(page, width) == []


def test_the_measure_of_the_page_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!DOCTYPE html><body><p style='width: 500px'>wide</p>")
    assert "the page itself" in browser.overflowing(page, 390)
    assert browser.overflowing(page, 1280) == []


def test_what_ends_in_days_is_marked_however_short_its_life_is(hub: Admin) -> None:
    hub("cert", "issue", "attic", "--days", "6")
    text = hub(*HTML).out
    assert 'class="pill due">1 ends within 7 days<' in text
    assert re.search(r'attic\.polkatistas\.org</span></td>.*class="toned due">5 days left<', text)
    assert 'class="toned good">364 days left<' in text


def test_two_authorities_are_told_apart(hub: Admin) -> None:
    hub("ca", "rollover")
    shown = hub.json("ca", "show")
    text = hub(*HTML).out
    for authority in (shown, *shown["superseded"]):
        number = authority["fingerprint"].replace(":", "").lower()
        assert f'<code title="{number}">{number[:12]}</code>' in text
        assert re.search(rf'<span class="name">CRL of .* {number[:8]}</span>', text)


def test_who_may_relay_and_by_what(scene: Admin) -> None:
    def rows(found: Status) -> list[list[str]]:
        page = "\n".join(render(found, limit=40)).partition("<h2>Who may relay</h2>")[2]
        cells = (re.findall(r"<t[hd].*?>(?:<span>)?(.*?)</t[hd]>", row) for row in page.split("<tr")[1:])
        return [[re.sub("<.*?>", "", cell) for cell in row] for row in cells]

    found = gather(
        Site(Root(str(scene.root)), Settings(domain=DOMAIN, hub="dmzmail"), lambda: datetime.now(UTC), print)
    )
    head, *relaying = rows(found)
    assert head == ["host", "account", "certificate", "mechanisms"]
    by_host = {row[0]: row for row in relaying}
    assert by_host[f"attic.{DOMAIN}"][1] == f"maildroid@{HUB}"
    assert "SCRAM-SHA-256" in by_host[f"attic.{DOMAIN}"][3]
    assert by_host[f"barn.{DOMAIN}"][1:] == [
        "none",
        by_host[f"barn.{DOMAIN}"][2],
        "only where certificates may relay",
    ]
    assert HUB not in by_host
    head, *relaying = rows(replace(found, pulls={f"attic.{DOMAIN}": datetime(2030, 1, 2, 3, 4, tzinfo=UTC)}))
    assert head[-1] == "last pull"
    assert {row[0]: row[-1] for row in relaying}[f"attic.{DOMAIN}"] == "2030-01-02 03:04 UTC"
    assert {row[0]: row[-1] for row in relaying}[f"barn.{DOMAIN}"] == "never"


def test_the_page_needs_nothing_else(scene: Admin) -> None:
    text = scene(*HTML).out
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import|https?:", text)
    assert "default-src 'none'" in text


def test_hostile_names_are_text_in_the_browser(smtpcreds: Admin, tmp_path: Path) -> None:
    page = tmp_path / "status.html"
    hostile(smtpcreds)(*HTML, "--output", page)
    shown = browser.dom(page)
    for tag in ("script", "img", "b"):
        assert f"<{tag}>" not in shown
        assert f"<{tag} " not in shown
    assert "&lt;script&gt;alert(" in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "</svg>" not in shown
    assert HOSTILE not in shown


def test_a_page_without_anything(bare: Admin) -> None:
    text = bare(*HTML).out
    assert "no authority here yet" in text
    assert "<li" not in text
