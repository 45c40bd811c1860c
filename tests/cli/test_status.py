"""``status``: the screen, JSON, and the exit status."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
from admin import HUB, SASLDB, Admin, environment, snapshot

from .status_scene import HOSTILE, hostile, inhabited


@pytest.fixture(scope="module")
def scene(hub_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Admin:
    root = tmp_path_factory.mktemp("status") / "root"
    subprocess.run(["cp", "-a", hub_tree, root], check=True)
    return inhabited(Admin(root))


def bars(out: str) -> dict[str, tuple[int, int, str]]:
    """Days, length of the bar and last word, by host."""
    rows = [line.split() for line in out.splitlines() if " d  " in line]
    return {row[0]: (int(row[1]), row[3].count("#"), row[4] if len(row) > 4 else "") for row in rows}


def test_a_host_without_anything_is_told_what_to_run(bare: Admin) -> None:
    ran = bare("status")
    assert "no authority here yet; smtpcreds ca init; or, to make everything" in ran.out
    absent = f"no authority, no certificate, no account in {bare.path(SASLDB)}"
    assert ran.out.splitlines()[-1] == f"nothing was found: {absent}"
    assert not bare.root.exists()


def test_accounts_are_shown_without_an_authority(smtpcreds: Admin) -> None:
    smtpcreds("sasl", "add", "maildroid")
    out = smtpcreds("status").out
    assert "no authority here yet" in out
    assert f"accounts  1 in {smtpcreds.path(SASLDB)}" in out


def test_a_fresh_hub_has_nothing_due_and_nothing_is_written(hub: Admin) -> None:
    before = snapshot(hub.root)
    ran = hub("status")
    assert ran.out.splitlines()[-1] == "nothing is due"
    assert snapshot(hub.root) == before
    assert ran.err == ""


def test_bars_are_as_long_as_what_is_left(scene: Admin) -> None:
    drawn = bars(scene("status").out)
    assert [(days, word) for days, _, word in drawn.values()] == [(39, ""), (119, ""), (199, ""), (364, "")]
    whole = drawn[HUB][1]
    for days, length, _ in drawn.values():
        assert length == round(days * whole / 364)


def test_what_is_due_is_said_with_its_cure(scene: Admin) -> None:
    ran = scene.at("+41 days").run("status")
    assert ran.status == 1
    drawn = bars(ran.out)
    assert drawn["attic.polkatistas.org"] == (-2, 0, "expired")
    assert drawn["cellar.polkatistas.org"][2] == ""
    due = ran.out.partition("\ndue\n")[2]
    assert "the CRL expired on" in due
    assert "attic.polkatistas.org: past two thirds of life, 1 of them expired" in due
    assert "smtpcreds cert renew --due" in due
    assert "smtpcreds sasl rotate --due" in due
    assert bars(scene.at("+85 days").run("status").out)["cellar.polkatistas.org"][2] == "due"


def test_the_cures_are_right(hub: Admin) -> None:
    hub("cert", "issue", "attic", "--days", "40")
    then = hub.at("+28 days")
    assert {item["kind"] for item in then.run("status", "--json").data["due"]} == {"crl", "certificate"}
    then("cert", "renew", "--due")
    assert then("status").out.endswith("nothing is due\n")


def test_json_has_the_same_content(scene: Admin) -> None:
    data = scene("status", "--json").data
    assert data["hub"] == HUB
    (authority,) = data["authorities"]
    assert (authority["signs"], authority["counts"]) == (True, {"issued": 4})
    assert [row["days_left"] for row in data["certificates"]] == [39, 119, 199, 364]
    (change,) = data["half_way"]
    assert (change["kind"], change["new"]) == ("account", f"maildroid-2@{HUB}")
    clients = {account["name"]: account["clients"] for account in data["accounts"]["shown"]}
    assert clients[f"maildroid@{HUB}"] == ["attic.polkatistas.org"]
    assert (data["due"], data["warnings"]) == ([], [])
    assert scene("status", "--json", "--limit", "2").data["more_certificates"] is True


def test_a_bundle_makes_its_host_a_client(hub: Admin, tmp_path: Path) -> None:
    hub("bundle", "cellar", "--output", tmp_path / "cellar.tar")
    (account,) = hub("status", "--json").data["accounts"]["shown"]
    assert account == {"name": f"maildroid@{HUB}", "clients": ["cellar.polkatistas.org"]}


def test_a_limit_leaves_out_what_ends_later_and_says_so(scene: Admin) -> None:
    out = scene("status", "--limit", "2").out
    assert len(bars(out)) == 2
    assert "and more that end later: smtpcreds cert list" in out


def test_a_rollover_is_half_way_until_the_old_one_is_retired(hub: Admin) -> None:
    hub("ca", "rollover")
    data = hub("status", "--json").data
    assert [ca["signs"] for ca in data["authorities"]] == [True, False]
    assert data["half_way"][0]["next"] == "smtpcreds cert renew --old-authority"
    hub("cert", "renew", "dmzmail")
    assert hub("status", "--json").data["half_way"][0]["next"] == "smtpcreds ca rollover --retire-old"
    hub("ca", "rollover", "--retire-old")
    assert hub("status", "--json").data["half_way"] == []


def test_the_next_step_of_a_rollover_is_one_that_does_something(hub: Admin, tmp_path: Path) -> None:
    """A host that took its key with it in a bundle gets another bundle; no renewal here reaches it."""
    hub("bundle", "attic", "-o", tmp_path / "attic.tar")
    hub("ca", "rollover")
    hub("cert", "renew", "--old-authority")
    step = "smtpcreds bundle attic.polkatistas.org --new-key --force"
    assert step in hub("status", "--json").data["half_way"][0]["next"]
    assert step in hub("cert", "renew", "--old-authority").out
    assert step in hub.refuses(77, "ca", "rollover", "--retire-old")
    hub("bundle", "attic", "--new-key", "-o", tmp_path / "again.tar")
    hub("ca", "rollover", "--retire-old")


def test_who_follows_a_revoked_pair_is_not_told_to_renew_it(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    hub("cert", "revoke", "attic")
    (warning,) = hub("cert", "issue", "attic").warnings
    assert "its public key changes" in warning
    assert "cert renew" not in warning, "what is revoked can't be renewed"
    assert "nothing is due" in hub("status").out


def test_an_authority_that_cuts_certificates_short_is_due(smtpcreds: Admin) -> None:
    smtpcreds("ca", "init", "--no-passphrase", "--days", "300")
    (due,) = smtpcreds.run("status", "--json").data["due"]
    assert (due["kind"], due["cure"]) == ("authority", "smtpcreds ca rollover")


def test_what_was_revoked_and_is_still_in_place_is_bad_on_every_screen(hub: Admin) -> None:
    hub("cert", "revoke", "dmzmail", "--reason", "superseded")
    ran = hub.run("status")
    assert ran.status == 1
    assert bars(ran.out)[HUB][2] == "revoked"
    assert "was revoked on" in ran.out.partition("\ndue\n")[2]
    data = hub("status", "--json", status=1).data
    assert [(row["host"], row["revoked"]) for row in data["certificates"]] == [(HUB, True)]
    (due,) = data["due"]
    assert due["kind"] == "audit"
    assert due["cure"].endswith(f"cert issue {HUB} --force")
    assert hub.run("status", "--format", "nagios").status == 2
    assert 'smtpcreds_due{kind="audit"} 1' in hub("status", "--format", "prometheus").out
    assert '<span class="pill bad">' in hub("status", "--format", "html").out
    left = hub.run("cert", "renew", "--due")
    assert (left.status, left.out.splitlines()[0]) == (1, "nothing could be renewed")
    assert "CERT023 error" in left.out
    for silent in ("-n", "-q"):
        left = hub.run("cert", "renew", "--due", silent)
        assert (left.status, "was revoked on" in left.err, "CERT023" in left.err) == (1, True, True)
    hub("cert", "issue", "dmzmail", "--force")
    assert hub("status").out.endswith("nothing is due\n")
    assert hub("cert", "renew", "--due").out == "nothing is due\n"


def test_what_an_interrupted_run_left_is_due_once_it_is_old(hub: Admin) -> None:
    assert hub.killed("renameat:signal=KILL:when=1", "cert", "issue", "attic")
    assert hub("status", "--json").data["due"] == []
    (due,) = hub.at("+2 hours").run("status", "--json").data["due"]
    assert (due["kind"], due["subject"]) == ("interrupted", "attic.polkatistas.org")
    hub.at("+2 hours")("ca", "crl")
    assert hub.at("+2 hours")("status", "--json").data["due"] == []


def test_control_characters_of_names_do_not_reach_the_terminal(smtpcreds: Admin) -> None:
    out = hostile(smtpcreds)("status").out
    assert "\\n</svg>" in out
    assert HOSTILE not in out


@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_terminals_that_want_it(scene: Admin, more: dict[str, str], coloured: bool) -> None:
    assert ("\x1b[32m" in on_a_terminal(scene, more)) is coloured


def test_a_long_name_leaves_room_for_its_bar(hub: Admin) -> None:
    host = f"{'a-long-name.' * 8}polkatistas.org"
    hub("cert", "issue", host)
    lines = [line for line in hub("status").out.splitlines() if " d  " in line]
    assert len(lines) == 2
    assert all(len(line) <= 80 and line.count("#") > 10 for line in lines)


def test_no_colour_in_a_pipe(scene: Admin) -> None:
    assert "\x1b" not in scene("status").out


def on_a_terminal(program: Admin, more: dict[str, str]) -> str:
    above, below = pty.openpty()
    variables = environment(TERM="xterm") | more
    subprocess.run(program.command("status"), stdout=below, env=variables, check=True)
    os.close(below)
    text = b""
    while True:
        try:
            text += os.read(above, 65536)
        except OSError:  # the end of a terminal
            os.close(above)
            return text.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--json", "--format", "nagios"), "--json: contradicts --format nagios"),
        (("--output", "x"), "--output: goes with --format prometheus or html"),
        (("--force",), "--force: goes with --output"),
        (("--warning", "3"), "--warning, --critical: are for nagios"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_words_that_do_not_fit(bare: Admin, words: tuple[str, ...], said: str) -> None:
    assert said in bare.refuses(64, "status", *words)
