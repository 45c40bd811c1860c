"""``tlsa``: records held against danetool."""

from pathlib import Path

import pytest
from admin import CERTS, DOMAIN, HUB, STATE, Admin

from .other_ca import other_ca
from .tlsa_scene import CERT, by_danetool, records


@pytest.mark.parametrize(("key_type", "more"), [("p256", ()), ("rsa2048", ("--intermediate",))])
def test_the_records_are_those_of_danetool(smtpcreds: Admin, more: tuple[str, ...], key_type: str) -> None:
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


def test_tlsa_host_is_tlsa_show_host(hub: Admin) -> None:
    out = hub("tlsa", "show", "dmzmail", "--port", "587", "--port", "25", "--ttl", "300").out
    assert out == hub("tlsa", HUB, "--port", "587", "--port", "25", "--ttl", "300").out
    assert [line.split()[:2] for line in out.splitlines()[:4]] == [
        [f"_{port}._tcp.{HUB}.", "300"] for port in (587, 587, 25, 25)
    ]
    data = hub("tlsa", "dmzmail", "--json").data
    assert (data["ports"], data["ttl"], data["stage"]) == ([25], None, None)
    assert data["records"] == records("\n".join(data["lines"]))


def test_refusals_of_show(hub: Admin) -> None:
    assert "nosuch: is not a host" in hub.refuses(66, "tlsa", "nosuch")
    assert "missing argument 'HOST'" in hub.refuses(64, "tlsa", "show")
    assert "'--port'" in hub.refuses(64, "tlsa", "dmzmail", "--port", "0")


def test_a_certificate_of_another_ca_has_that_cas_record(smtpcreds: Admin, tmp_path: Path) -> None:
    ca = other_ca(tmp_path / "other")
    smtpcreds("cert", "request", "dmzmail")
    answer = ca.answer(smtpcreds.path(f"{CERTS}/dmzmail.csr"))
    smtpcreds("cert", "install", answer, "--chain", ca.certificate)
    lines = smtpcreds("tlsa", "dmzmail").out.splitlines()
    assert lines[:2] == [by_danetool(answer), by_danetool(ca.certificate, "--ca")]


def test_after_a_rollover_of_the_authority_both_cas_are_published(hub: Admin) -> None:
    old = hub("tlsa", "dmzmail").out.splitlines()[:2]
    hub("ca", "rollover")
    new = by_danetool(hub.path(f"{STATE}/ca/ca-cert.pem"), "--ca")
    assert hub("tlsa", "dmzmail").out.splitlines()[:3] == [*old, new]
    hub("cert", "renew", "dmzmail")
    assert hub("tlsa", "dmzmail").out.splitlines()[:2] == [old[0], new]


def test_what_mta_sts_needs_is_said(hub: Admin) -> None:
    out = hub("tlsa", "texts").out
    assert "MTA-STS (RFC 8461) needs a certificate of a public CA on port 25" in out
    assert f"    mx: {HUB}\n" in out
    assert f'_smtp._tls.{DOMAIN}. IN TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{DOMAIN}"' in out
    assert "_mta-sts.example.net." in hub("tlsa", "texts", "example.net").out
