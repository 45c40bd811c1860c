"""``tlsa``: records held against danetool, and a new key step by step."""

import re
from pathlib import Path

import pytest

from .desk import other_ca
from .runner import CERTS, DOMAIN, HUB, STATE, Program, peer
from .status_scene import later

KEY, CERT, NEXT = (f"{CERTS}/dmzmail-{end}" for end in ("key.pem", "cert.pem", "key.pem.new"))
_DANETOOL = re.compile(r"(\S+) IN TLSA \( (\d\d) (\d\d) (\d\d) ([0-9a-f]+) \)")


def by_danetool(certificate: Path, *options: str) -> str:
    text = peer(
        "danetool", "--tlsa-rr", "--load-certificate", certificate, "--host", HUB, "--port", "25", *options
    )
    match = _DANETOOL.search(text)
    assert match, text
    owner, *numbers, digest = match.groups()
    return f"{owner} IN TLSA {' '.join(str(int(number)) for number in numbers)} {digest}"


def records(out: str) -> list[str]:
    """The data of each record, without its owner."""
    return [line.partition(" TLSA ")[2] for line in out.splitlines() if not line.startswith(";")]


def of_key(path: Path) -> str:
    """The data that belongs to a private key, by openssl."""
    public = peer("openssl", "pkey", "-in", path, "-pubout", "-outform", "DER", "-out", f"{path}.der")
    assert public == ""
    digest = peer("openssl", "dgst", "-sha256", "-r", f"{path}.der").split()[0]
    Path(f"{path}.der").unlink()
    return f"3 1 1 {digest}"


@pytest.mark.parametrize("more", [(), ("--intermediate",)])
@pytest.mark.parametrize("key_type", ["p256", "rsa2048"])
def test_the_records_are_those_of_danetool(smtpcreds: Program, more: tuple[str, ...], key_type: str) -> None:
    smtpcreds("ca", "init", "--no-passphrase", "--key-type", key_type, *more)
    smtpcreds("cert", "issue", "dmzmail", "--key-type", key_type)
    lines = smtpcreds("tlsa", "dmzmail").out.splitlines()
    ca = smtpcreds.path(f"{STATE}/ca/ca-cert.pem")
    assert lines[:2] == [
        by_danetool(smtpcreds.path(CERT)),
        by_danetool(ca, "--ca"),
    ]
    (comment,) = lines[2:]
    assert comment.startswith("; 2 1 1 counts only if the server sends its CA's certificate")


def test_tlsa_host_is_tlsa_show_host(hub: Program) -> None:
    out = hub("tlsa", "show", "dmzmail", "--port", "587", "--port", "25", "--ttl", "300").out
    assert out == hub("tlsa", HUB, "--port", "587", "--port", "25", "--ttl", "300").out
    assert [line.split()[:2] for line in out.splitlines()[:4]] == [
        [f"_{port}._tcp.{HUB}.", "300"] for port in (587, 587, 25, 25)
    ]
    data = hub("tlsa", "dmzmail", "--json").data
    assert (data["ports"], data["ttl"], data["stage"]) == ([25], None, None)
    assert data["records"] == records("\n".join(data["lines"]))


def test_refusals_of_show(hub: Program) -> None:
    assert "nosuch: is no host" in hub.refuses(66, "tlsa", "nosuch")
    assert "missing argument 'HOST'" in hub.refuses(64, "tlsa", "show")
    assert "'--port'" in hub.refuses(64, "tlsa", "dmzmail", "--port", "0")


def test_a_certificate_of_another_ca_has_that_cas_record(smtpcreds: Program, tmp_path: Path) -> None:
    ca = other_ca(tmp_path / "other")
    smtpcreds("cert", "request", "dmzmail")
    answer = ca.answer(smtpcreds.path(f"{CERTS}/dmzmail.csr"))
    smtpcreds("cert", "install", answer, "--chain", ca.certificate)
    lines = smtpcreds("tlsa", "dmzmail").out.splitlines()
    assert lines[:2] == [by_danetool(answer), by_danetool(ca.certificate, "--ca")]


def test_after_a_rollover_of_the_authority_both_cas_are_published(hub: Program) -> None:
    old = hub("tlsa", "dmzmail").out.splitlines()[:2]
    hub("ca", "rollover")
    new = by_danetool(hub.path(f"{STATE}/ca/ca-cert.pem"), "--ca")
    assert hub("tlsa", "dmzmail").out.splitlines()[:3] == [*old, new]
    hub("cert", "renew", "dmzmail")
    assert hub("tlsa", "dmzmail").out.splitlines()[:2] == [old[0], new]


def test_the_whole_way(hub: Program) -> None:
    first = of_key(hub.path(KEY))
    assert hub("tlsa", "plan", "dmzmail").out.startswith(f"{HUB}: no new key is half-way\n")
    out = hub("tlsa", "next", "dmzmail", "--ttl", "3600").out
    second = of_key(hub.path(NEXT))
    assert hub.mode(NEXT) == 0o600
    assert first != second
    assert records(out)[:2] == [first, second]
    assert out.splitlines()[0].startswith(f"_25._tcp.{HUB}. 3600 IN TLSA ")
    assert of_key(hub.path(KEY)) == first, "the key in use stays in use"
    assert records(hub("tlsa", "dmzmail").out) == records(out)

    soon, then = later(hub, "+115 minutes"), later(hub, "+121 minutes")
    assert "too early: twice the TTL of 3600 s since the next key was made" in soon.refuses(
        75, "tlsa", "switch", "dmzmail"
    )
    assert "still uses the old key" in then.refuses(65, "tlsa", "retire", "dmzmail")
    then("tlsa", "switch", "dmzmail")
    assert of_key(hub.path(KEY)) == second
    assert by_danetool(hub.path(CERT)).endswith(second)
    assert not hub.path(NEXT).exists()
    assert of_key(hub.path(f"{KEY}.previous")) == first
    assert records(then("tlsa", "dmzmail").out)[:2] == [second, first]
    assert then("inventory", "check").out == "inventory and disk agree\n"

    soon = later(hub, "+240 minutes")
    assert "since the switch is over on" in soon.refuses(75, "tlsa", "retire", "dmzmail")
    out = later(hub, "+245 minutes")("tlsa", "retire", "dmzmail").out
    assert records(out)[0] == second
    assert first not in out
    assert hub("tlsa", "plan", "dmzmail", "--json").data["stage"] == "settled"


def test_a_second_next_changes_nothing(hub: Program) -> None:
    out = hub("tlsa", "next", "dmzmail").out
    key = hub.path(NEXT).read_bytes()
    assert hub("tlsa", "next", "dmzmail").out == out
    assert hub("tlsa", "next", "dmzmail", "-n").out == "nothing to do\n"
    assert hub.path(NEXT).read_bytes() == key
    assert len(hub("inventory", "events", "--subject", HUB, "--json").data["events"]) == 2
    hub("tlsa", "next", "dmzmail", "--force", "--key-type", "rsa2048")
    assert hub.path(NEXT).read_bytes() != key
    another = ("tlsa", "next", "dmzmail", "--key-type", "p384", "--ttl", "9")
    assert "is a RSA 2048 key that waits" in hub.refuses(65, *another)


def test_another_ttl_begins_the_wait_again(hub: Program) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "3600")
    then = later(hub, "+60 minutes")
    then("tlsa", "next", "dmzmail", "--ttl", "7200")
    data = hub("tlsa", "plan", "dmzmail", "--json").data
    assert data["ttl"] == 7200
    assert "too early" in later(hub, "+290 minutes").refuses(75, "tlsa", "switch", "dmzmail")
    later(hub, "+302 minutes")("tlsa", "switch", "dmzmail", "-n")


def test_retire_at_once(hub: Program) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    then = later(hub, "+3 minutes")
    then("tlsa", "switch", "dmzmail")
    assert "too early" in then.refuses(75, "tlsa", "retire", "dmzmail")
    then("tlsa", "retire", "dmzmail", "--at-once")
    assert "has no next key" in then.refuses(66, "tlsa", "retire", "dmzmail")


@pytest.mark.parametrize(("call", "number"), [("rename", 3), ("rename", 4), ("unlink", 1)])
def test_a_killed_switch_is_completed(hub: Program, call: str, number: int) -> None:
    """Killed before the key is in place, before the certificate is, or before the next key waits no more."""
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    second = of_key(hub.path(NEXT))
    then = later(hub, "+3 minutes")
    only = ("-P", str(hub.path(NEXT))) if call == "unlink" else ()
    where = (*only, f"-einject={call}:signal=SIGKILL:when={number}")
    strace = ("strace", "-f", "-qq", "-o/dev/null", *where)
    killed = Program(hub.root, prefix=(*strace, *then.prefix)).run("tlsa", "switch", "dmzmail")
    assert "Caught Killed" in killed.err, "as faketime calls it"
    then("ca", "crl")
    assert of_key(hub.path(KEY)) == second
    assert by_danetool(hub.path(CERT)).endswith(second)
    assert then("tlsa", "plan", "dmzmail", "--json").data["stage"] == "switched"
    later(hub, "+9 minutes")("tlsa", "retire", "dmzmail")
    assert not hub.path(NEXT).exists()
    assert later(hub, "+9 minutes")("inventory", "check").out == "inventory and disk agree\n"


def test_a_server_that_does_not_take_it_keeps_the_old_key(hub: Program) -> None:
    first = of_key(hub.path(KEY))
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    then = later(hub, "+3 minutes")
    ran = then.run("tlsa", "switch", "dmzmail", "--reload", "false")
    assert ran.status == 69
    assert of_key(hub.path(KEY)) == first
    assert then("tlsa", "plan", "dmzmail", "--json").data["stage"] == "publishing"
    then("tlsa", "switch", "dmzmail", "--reload", "true")
    assert of_key(hub.path(KEY)) != first


def test_another_new_key_behind_its_back_is_noticed(hub: Program) -> None:
    hub("tlsa", "next", "dmzmail")
    hub("cert", "renew", "dmzmail", "--new-key")
    ran = hub("tlsa", "dmzmail")
    assert len(ran.warnings) == 1
    assert records(ran.out)[0] == of_key(hub.path(KEY))
    assert len(records(ran.out)) == 2
    assert "has lost its next key, or uses another one" in hub.refuses(65, "tlsa", "switch", "dmzmail")
    hub("tlsa", "next", "dmzmail")
    assert hub("tlsa", "dmzmail").err == ""


def test_the_answer_of_another_ca_is_a_switch(smtpcreds: Program, tmp_path: Path) -> None:
    ca = other_ca(tmp_path / "other")
    smtpcreds("cert", "request", "dmzmail")
    request = smtpcreds.path(f"{CERTS}/dmzmail.csr")
    smtpcreds("cert", "install", ca.answer(request), "--chain", ca.certificate)
    smtpcreds("tlsa", "next", "dmzmail", "--ttl", "60")
    second = of_key(smtpcreds.path(NEXT))
    smtpcreds("cert", "request", "dmzmail")
    smtpcreds("cert", "install", ca.answer(request))
    assert of_key(smtpcreds.path(KEY)) == second
    assert smtpcreds("tlsa", "plan", "dmzmail", "--json").data["stage"] == "switched"


def test_status_knows_what_is_half_way_and_when_it_is_due(hub: Program) -> None:
    hub("tlsa", "next", "dmzmail", "--ttl", "60")
    data = hub("status", "--json").data
    assert [(change["kind"], change["next"]) for change in data["half_way"]] == [
        ("tlsa", f"smtpcreds tlsa switch {HUB}")
    ]
    assert data["due"] == []
    (due,) = later(hub, "+3 minutes").run("status", "--json").data["due"]
    assert (due["kind"], due["cure"]) == ("tlsa", f"smtpcreds tlsa switch {HUB}")


def test_what_mta_sts_needs_is_said(hub: Program) -> None:
    out = hub("tlsa", "texts").out
    assert "MTA-STS (RFC 8461) needs a certificate of a public CA on port 25" in out
    assert f"    mx: {HUB}\n" in out
    assert f'_smtp._tls.{DOMAIN}. IN TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}"' in out
    assert "_mta-sts.example.net." in hub("tlsa", "texts", "example.net").out


@pytest.mark.parametrize("ttl", ["0", "99999999"])
def test_times_to_live_that_are_none(hub: Program, ttl: str) -> None:
    assert "--ttl: takes 1 to" in hub.refuses(64, "tlsa", "next", "dmzmail", "--ttl", ttl)
