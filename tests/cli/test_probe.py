"""``probe`` as a process: what it refuses before it connects, how it answers, and what it never says."""

import json
import socket
from base64 import b64encode
from pathlib import Path

import pytest
from admin import AUTH_INFO, CERTS, HUB, Admin
from admin import peer as peer_program
from smtp.peer import Peer, Talk, honest

PLAIN = "AUTH PLAIN"


def accounts(*secrets: str) -> "object":
    """The answer to AUTH PLAIN of a server that knows maildroid with these secrets."""
    known = [b64encode(f"\0{name}\0{word}".encode()).decode() for name in NAMES for word in secrets]

    def answer(talk: Talk, line: str) -> None:
        good = talk.tls and line.split()[2] in known
        talk.say("235 2.7.0 yes" if good else "535 5.7.8 no" if talk.tls else "538 5.7.11 not without TLS")

    return answer


NAMES = ("maildroid", f"maildroid@{HUB}")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("smtp://maildroid:s3cr3t@dmzmail",), "every user of this host can see"),
        (("smtp://maildroid:s3/cr@3t@dmzmail",), "every user of this host can see"),
        (("smtps://dmzmail", "--no-tls"), "contradicts"),
        (("smtp://maildroid@dmzmail", "--no-tls"), "no password is sent without TLS"),
        (("smtp://maildroid@dmzmail", "--account", "x"), "contradicts the account in the URL"),
        (("smtp://dmzmail", "--password", "stdin:"), "needs an account"),
        (("smtp://x@dmzmail", "--auth-info", "f"), "give nothing else"),
        (("smtp://dmzmail", "--mechanism", "GSSAPI"), "unknown mechanism, or one that can't be tried"),
        (("smtp://dmzmail", "--cert", "f"), "go together"),
        (("smtp://dmzmail", "--send"), "needs a recipient"),
        (("smtp://dmzmail", "--to", "a@example.net"), "go with --send"),
        (("smtp://dmzmail", "--send", "--to", "a>b@example.net"), "is not an address"),
    ],
)
def test_what_makes_no_sense(hub: Admin, words: tuple[str, ...], complaint: str) -> None:
    problem = hub.refuses(64, "probe", *words)
    assert complaint in problem
    assert "s3" not in problem


def test_files_that_will_not_do(hub: Admin, tmp_path: Path) -> None:
    hub("cert", "issue", "attic")
    certs = hub.path(CERTS)
    pair = ("--cert", certs / "attic-cert.pem", "--key")
    assert "is not the key of" in hub.refuses(65, "probe", "smtp://x", *pair, certs / "dmzmail-key.pem")
    assert "has no certificate in" in hub.refuses(66, "probe", "smtp://x", "--client", "nobody")
    (certs / "attic-key.pem").chmod(0o644)
    assert "others may use it" in hub.refuses(77, "probe", "smtp://x", *pair, certs / "attic-key.pem")


def test_without_a_bundle_nothing_can_be_verified(smtpcreds: Admin) -> None:
    problem = smtpcreds.refuses(66, "probe", "smtp://dmzmail")
    assert "no certificate can be verified" in problem
    assert f"hint: scp root@{HUB}:{CERTS}/cacert.pem .; then with --ca cacert.pem; or" in problem
    assert "--ca FILE" in problem
    smtpcreds.write("/etc/smtpcreds/smtpcreds.toml", "", 0o644)
    said = smtpcreds.refuses(66, "probe", "smtp://mx.example.org")
    assert "scp root@mx.example.org:/etc/mail/certs/cacert.pem .; then with --ca cacert.pem" in said
    assert "scp 'root@[2001:db8::1]:/etc" in smtpcreds.refuses(66, "probe", "smtp://[2001:db8::1]")


def test_a_server_that_is_not_there_is_an_answer(hub: Admin) -> None:
    with socket.socket() as taken:  # by us, who do not listen
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        ran = hub.run("probe", f"smtp://127.0.0.1:{port}")
    assert (ran.status, ran.err) == (1, f"smtpcreds: opens 1 connection to 127.0.0.1:{port}\n")
    assert "FAIL  connect" in ran.out
    assert "connection refused" in ran.out
    assert "cause: nothing listens on this port" in ran.out
    ran = hub.run("--json", "probe", "smtp://nobody.invalid")
    assert ran.status == 1
    assert [step["outcome"] for step in ran.data["steps"]] == ["failed"]


def test_dry_run_does_not_connect(hub: Admin) -> None:
    with Peer(honest()) as peer:
        url = f"smtp://maildroid@127.0.0.1:{peer.port}"
        ran = hub("probe", url, "--send", "--to", "a@example.net", "--dry-run")
        assert not peer.heard
    lines = ran.out.splitlines()
    assert lines[0] == f"would connect to 127.0.0.1:{peer.port}  (STARTTLS, 5 times at most)"
    assert lines[1:] == ["would log in as maildroid", "would send a message to a@example.net"]


def context_of(hub: Admin) -> object:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certs = hub.path(CERTS)
    context.load_cert_chain(certs / "dmzmail-cert.pem", certs / "dmzmail-key.pem")
    return context


@pytest.mark.parametrize("way", ["database", "installed", "auth-info", "password"])
def test_where_the_secret_comes_from(hub: Admin, way: str) -> None:
    secret = hub.path(AUTH_INFO).read_text().splitlines()[2]
    words: dict[str, tuple[str | Path, ...]] = {
        "database": ("--account", "maildroid"),
        "installed": ("--account", "maildroid"),
        "auth-info": ("--auth-info", hub.path(AUTH_INFO)),
        "password": ("--account", "maildroid", "--password", "stdin:"),
    }
    if way == "installed":
        hub.write("/etc/mail/default-auth-info", hub.path(AUTH_INFO).read_text())
        hub("sasl", "delete", "maildroid")
    with Peer(honest(accounts(secret)), context_of(hub)) as peer:  # type: ignore[arg-type]
        url = f"smtp+tls://127.0.0.1:{peer.port}"
        ran = hub("--json", "probe", url, "--name", "dmzmail", *words[way], stdin=secret.encode())
    outcome = {step["step"]: step["outcome"] for step in ran.data["steps"]}
    assert outcome["auth PLAIN"] == outcome["wrong password, PLAIN"] == outcome["PLAIN before TLS"] == "ok"
    assert ran.data["ok"] is True
    assert (ran.data["name"], ran.data["account"]) == (HUB, "maildroid")
    assert secret not in ran.out + ran.err
    assert b64encode(f"\0maildroid\0{secret}".encode()).decode() not in json.dumps(ran.data)


def test_a_wrong_password_is_an_answer_with_a_cure(hub: Admin) -> None:
    with Peer(honest(accounts("other")), context_of(hub)) as peer:  # type: ignore[arg-type]
        ran = hub.run("probe", f"smtp://maildroid@127.0.0.1:{peer.port}", "--name", HUB, "--no-negative")
    lines = ran.out.splitlines()
    assert ran.status == 1
    assert lines[0] == f"127.0.0.1:{peer.port}, STARTTLS as maildroid"
    at = next(number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert "535 5.7.8 no" in lines[at]
    assert lines[at + 1].startswith("      cause: the password, the account or its realm")
    assert lines[at + 2].endswith("smtpcreds sasl list; NAME@REALM always works as a login")
    assert lines[-1].startswith("1 of ")


def test_a_marked_message_is_delivered(hub: Admin) -> None:
    secret = hub.path(AUTH_INFO).read_text().splitlines()[2]
    content: list[str] = []

    def auth(talk: Talk, line: str) -> None:
        accounts(secret)(talk, line)  # type: ignore[operator]
        while (line := talk.hear()) != "DATA":
            if not line or line == "QUIT":
                return
            content.append(line)
            talk.say("250 ok")
        talk.say("354 go on")
        while (line := talk.hear()) != ".":
            content.append(line)
        talk.say("250 2.0.0 queued as polka")

    with Peer(honest(auth), context_of(hub)) as peer:  # type: ignore[arg-type]
        url = f"smtp://maildroid@127.0.0.1:{peer.port}"
        ran = hub("probe", url, "--name", HUB, "--send", "--to", "accordion@example.net", "--from", "a@b.c")
    assert "250 2.0.0 queued as polka; marked X-Smtpcreds-Probe: " in ran.out
    mark = ran.out.partition("X-Smtpcreds-Probe: ")[2].splitlines()[0]
    begun = content.index("MAIL FROM:<a@b.c>")
    assert content[begun : begun + 2] == ["MAIL FROM:<a@b.c>", "RCPT TO:<accordion@example.net>"]
    assert f"X-Smtpcreds-Probe: {mark}" in content
    assert f"Subject: smtpcreds probe {mark}" in content


def test_tlsa(hub: Admin) -> None:
    cert = hub.path(CERTS) / "dmzmail-cert.pem"
    record = peer_program("danetool", "--tlsa-rr", "--load-certificate", cert, "--host", HUB, "--port", "25")
    record = " ".join(
        f"{int(part):d}" if len(part) == 2 else part for part in record.split("(")[1].split(")")[0].split()
    )
    with Peer(honest(), context_of(hub)) as peer:  # type: ignore[arg-type]
        url = f"smtp://127.0.0.1:{peer.port}"
        old = "3 1 1 " + "00" * 32
        assert "ok    tlsa" in hub("probe", url, "--name", HUB, "--tlsa", old, "--tlsa", record).out
        ran = hub.run("probe", url, "--name", HUB, "--tlsa", old)
        assert ran.status == 1
        assert f"no matching TLSA record; the server's own is {record}" in ran.out
        assert "is not for SMTP" in hub.run("probe", url, "--name", HUB, "--tlsa", f"1{old[1:]}").out


def test_smtps_and_ipv6(hub: Admin) -> None:
    def script(talk: Talk) -> None:
        talk.secure()
        honest()(talk)

    with Peer(script, context_of(hub)) as peer:  # type: ignore[arg-type]
        assert "smtps" not in hub("probe", f"smtps://127.0.0.1:{peer.port}", "--name", HUB).out
    ran = hub.run("probe", "smtp://[::1]:1")
    assert "[::1]:1, STARTTLS" in ran.out
    assert ran.status == 1


@pytest.mark.parametrize("program", ["sendmail-client", "postfix-client"])
def test_all_of_a_client_host_comes_from_its_bundle(hub: Admin, tmp_path: Path, program: str) -> None:
    import ssl

    secret = hub.path(AUTH_INFO).read_text().splitlines()[2]
    archive = tmp_path / "attic.tar"
    crl = ("--crl",) if program == "sendmail-client" else ()
    hub("bundle", "attic", "--mta", program, "-o", archive, *crl)
    context = context_of(hub)
    assert isinstance(context, ssl.SSLContext)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(hub.path(CERTS) / "cacert.pem")
    elsewhere = Admin(tmp_path / "elsewhere")
    with Peer(honest(accounts(secret)), context) as peer:  # type: ignore[arg-type]
        url = f"smtp+tls://127.0.0.1:{peer.port}"
        ran = elsewhere("--json", "probe", url, "--name", HUB, "--bundle", archive, "--no-negative")
    outcome = {step["step"]: step["outcome"] for step in ran.data["steps"]}
    revocation = "ok" if crl else "note"
    assert (outcome["auth PLAIN"], outcome["chain"], outcome["revocation"]) == ("ok", "ok", revocation)
    assert secret not in ran.out + ran.err
    assert not list((tmp_path / "elsewhere").rglob("*.pem"))


def test_a_bundle_brings_everything_and_must_be_whole(hub: Admin, tmp_path: Path) -> None:
    archive = tmp_path / "attic.tar"
    hub("bundle", "attic", "-o", archive)
    taken = hub.refuses(64, "probe", "smtp://dmzmail", "--bundle", archive, "--auth-info", "f")
    assert "leave --auth-info out" in taken
    assert "leave the account in the URL out" in hub.refuses(64, "probe", "smtp://x@y", "--bundle", archive)
    assert "opens a bundle" in hub.refuses(64, "probe", "smtp://y", "--passphrase", "stdin:")
    archive.write_bytes(archive.read_bytes()[:-2000])
    hub.refuses(65, "probe", "smtp://dmzmail", "--bundle", archive)
