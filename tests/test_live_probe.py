"""``smtpcreds probe`` against real sendmails, typed on a client host of the laboratory."""

from collections.abc import Iterator
from typing import Any

import pytest
from admin import HUB
from lab import Lab
from mail_hosts import ACCOUNT, FOREIGN
from test_live_mta_sendmail import Machine, Scene

pytestmark = pytest.mark.live

URL = f"smtp://{ACCOUNT}@dmzmail"
CERTS = "/etc/mail/certs"
HASHED = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5")
MECHANISMS = (*HASHED, "PLAIN", "LOGIN")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """A hub that offers every mechanism, and a client host that has its certificate and default-auth-info."""
    with Lab() as lab:
        made = Scene(lab)
        made.hub.apply(
            *(word for name in HASHED for word in ("--mechanism", name)), "--plaintext", "--external"
        )
        made.give_auth_info()
        yield made


def probe(
    machine: Machine, *words: str, status: int | None = 0, stdin: str = "", later: str = "+0d"
) -> dict[str, dict[str, Any]]:
    """Type the command on a host; return the steps by name."""
    done = machine.run("--json", "probe", *words, stdin=stdin.encode(), later=later)
    assert status is None or done.status == status, done
    return {step["step"]: step for step in done.data["steps"]}


def failed(steps: dict[str, dict[str, Any]]) -> set[str]:
    bad = {name for name, step in steps.items() if step["outcome"] == "failed"}
    assert all(steps[name]["cause"] and steps[name]["cure"] for name in bad)
    return bad


def test_all_is_well(scene: Scene) -> None:
    steps = probe(scene.client, URL, "--client", "attic", "--send", "--to", FOREIGN)
    assert not failed(steps)
    for mechanism in MECHANISMS:
        assert steps[f"auth {mechanism}"]["outcome"] == "ok"
        assert steps[f"wrong password, {mechanism}"]["detail"] == "refused: 535 5.7.0 authentication failed"
        if mechanism in {"CRAM-MD5", "PLAIN", "LOGIN"}:
            scene.hub.host.log.wait(rf"AUTH=server, .*authid={ACCOUNT}(@{HUB})?, mech={mechanism},")
        else:
            assert "both sides proved to know the secret" in steps[f"auth {mechanism}"]["detail"]
        scene.hub.host.log.wait(rf"AUTH failure \({mechanism}\)")
    scene.hub.host.log.wait(r"AUTH=server, .*authid=.*, mech=EXTERNAL,")
    assert steps["client certificate"]["detail"] == "accepted; it allows EXTERNAL"
    assert steps["no certificate"]["detail"] == "earns nothing"
    assert "504 5.3.3 AUTH mechanism PLAIN not available" in steps["PLAIN before TLS"]["detail"]
    assert steps["mechanisms before TLS"]["detail"].split() == list(HASHED)

    message = scene.lab.sink.receive()
    assert message.recipients == (FOREIGN,)
    assert message.headers["X-Smtpcreds-Probe"] in steps["send"]["detail"]
    received = " ".join(message.headers["Received"].split())
    assert " with ESMTPSA " in received
    assert "verify=OK" in received


def test_the_secret_appears_nowhere(scene: Scene) -> None:
    secret = scene.client.host.path("/etc/mail/default-auth-info").read_text().splitlines()[2]
    said = scene.client("probe", URL)
    assert secret not in said
    assert not scene.hub.host.log.find(secret)


def test_a_wrong_password_and_an_unknown_account(scene: Scene) -> None:
    words = ("--no-negative", "--password", "stdin:")
    expected = {f"auth {mechanism}" for mechanism in MECHANISMS}
    assert failed(probe(scene.client, URL, *words, stdin="not it", status=1)) == expected
    assert failed(probe(scene.client, "smtp://nobody@dmzmail", *words, stdin="x", status=1)) == expected


def test_an_account_serves_what_it_has_secrets_for(scene: Scene) -> None:
    hub = scene.hub
    hub("sasl", "add", "droid", "--password", "stdin:", "--hashed", stdin="Ch1mp?03fuzz")
    steps = probe(hub, "smtp://droid@dmzmail", "--password", "stdin:", stdin="Ch1mp?03fuzz")
    tried = {name: step["outcome"] for name, step in steps.items() if name.startswith("auth ")}
    assert tried.pop("auth SCRAM-SHA-256") == "ok"
    assert set(tried.values()) == {"skipped"}


def test_without_credentials_it_looks_only(scene: Scene) -> None:
    steps = probe(scene.client, "smtp://dmzmail")
    assert steps["auth"]["outcome"] == "skipped"
    assert not any(name.startswith(("wrong password", "PLAIN")) for name in steps)


def test_a_revoked_certificate_is_refused_once_the_hub_knows(scene: Scene) -> None:
    scene.hub("cert", "issue", "fallen", "--to", "/var/lib/fallen")
    scene.client.host.run(("mkdir", "-m", "700", "/var/lib/fallen"))
    scene.copy("/var/lib/fallen/.", "/var/lib/fallen")
    fallen = (
        "--revoked-cert",
        "/var/lib/fallen/fallen-cert.pem",
        "--revoked-key",
        "/var/lib/fallen/fallen-key.pem",
    )
    words = ("smtp://dmzmail", "--client", "attic", *fallen)
    assert failed(probe(scene.client, *words, status=1)) == {"revoked certificate"}
    scene.hub("cert", "revoke", "fallen")
    scene.hub.sendmail.reload()
    steps = probe(scene.client, *words)
    assert steps["revoked certificate"]["detail"] == "earns nothing"
    assert steps["auth EXTERNAL"]["outcome"] == "ok"


def present(scene: Scene, directory: str, stem: str) -> None:
    """Have the hub use another pair as its own."""
    files = f"cp {directory}/{stem}-$f.pem {CERTS}/dmzmail-$f.pem"
    scene.hub.host.shell(f"for f in key cert; do {files}; done")
    scene.hub.sendmail.reload()


@pytest.mark.parametrize(
    ("issue", "expected"),
    [
        (("impostor",), {"name", "openssl"}),
        (("dmzmail", "--client"), {"purpose", "openssl"}),
        (("dmzmail", "--days", "1"), {"dates", "openssl"}),
    ],
    ids=["name", "purpose", "expired"],
)
def test_a_hub_with_a_wrong_certificate(scene: Scene, issue: tuple[str, ...], expected: set[str]) -> None:
    later = "+2d" if "--days" in issue else "+0d"
    scene.hub.host.run(("rm", "-rf", "/var/lib/other", "/var/lib/own"))
    scene.hub.host.run(("cp", "-a", CERTS, "/var/lib/own"))
    scene.hub("cert", "issue", *issue, "--to", "/var/lib/other")
    try:
        present(scene, "/var/lib/other", issue[0])
        steps = probe(scene.client, URL, status=1, later=later)
    finally:
        present(scene, "/var/lib/own", "dmzmail")
    assert failed(steps) - {"PLAIN before TLS"} == expected
    assert steps["auth"]["outcome"] == "skipped"


def test_a_client_that_trusts_another_ca(scene: Scene) -> None:
    scene.client("--root", "/var/lib/another", "ca", "init", "--no-passphrase", "--name", "Another CA")
    steps = probe(scene.client, URL, "--ca", "/var/lib/another/var/lib/smtpcreds/ca/ca-cert.pem", status=1)
    assert failed(steps) == {"chain", "openssl"}
    assert steps["auth"]["outcome"] == "skipped"


def test_a_hub_whose_tls_is_broken(scene: Scene) -> None:
    """Sendmail then says nothing of STARTTLS at all."""
    scene.hub.host.run(("chmod", "0644", f"{CERTS}/dmzmail-key.pem"))
    try:
        scene.hub.sendmail.reload()
        steps = probe(scene.client, URL, status=1)
    finally:
        scene.hub.host.run(("chmod", "0600", f"{CERTS}/dmzmail-key.pem"))
        scene.hub.sendmail.reload()
    assert list(steps)[-1] == "starttls"
    assert "STARTTLS is not offered" in steps["starttls"]["detail"]
    assert failed(steps) == {"starttls"}


def test_a_port_of_another_kind(scene: Scene) -> None:
    assert failed(probe(scene.client, "smtps://dmzmail:25", status=1)) == {"tls"}
    assert failed(probe(scene.client, "smtp://dmzmail:587", status=1)) == {"connect"}
    assert failed(probe(scene.client, "smtp://192.0.2.1", status=1)) == {"starttls"}


CONTROL = "FEATURE(`access_db', , `skip')dnl\n"
LIMIT = 10
"""Connections in ten minutes from one address, as Debian's access map has it."""


@pytest.fixture
def limited() -> Iterator[Scene]:
    """A hub with Debian's limit of connections, and a client host that relays through it."""
    with Lab() as lab:
        made = Scene(lab)
        text = made.hub.host.path("/etc/mail/sendmail.mc").read_text()
        assert CONTROL in text
        feature = "FEATURE(`ratecontrol', `nodelay', `terminate')dnl\n"
        made.hub.host.write("/etc/mail/sendmail.mc", text.replace(CONTROL, CONTROL + feature))
        made.hub.apply("--external")
        made.hub.host.write("/etc/mail/access", f"ClientRate:\t{LIMIT}\n")
        made.hub.host.shell("makemap hash /etc/mail/access < /etc/mail/access")
        made.hub.sendmail.reload()
        made.give_auth_info()
        made.client.apply()
        yield made


def test_a_probe_leaves_room_for_the_mail_and_takes_a_limit_for_no_answer(limited: Scene) -> None:
    words = (URL, "--client", "attic")
    steps = probe(limited.client, *words)
    assert not failed(steps)
    assert {"auth EXTERNAL", "auth SCRAM-SHA-256", "wrong password, DIGEST-MD5"} <= steps.keys()
    assert "with ESMTPSA" in limited.relayed()
    assert not limited.hub.host.log.find("possible SMTP attack")
    for _ in range(LIMIT):
        steps = probe(limited.client, "smtp://dmzmail", status=None)
        if "421" in [*steps.values()][-1]["detail"]:
            break
    said = [*probe(limited.client, *words, status=75).values()][-1]
    assert (said["step"], said["outcome"]) == ("banner", "unknown")
    assert "421" in said["detail"]


def test_a_revoked_client_is_not_as_it_should_be(scene: Scene) -> None:
    said = scene.hub.run("cert", "revoke", "attic").err
    assert (
        f"attic.polkatistas.org: can still relay by AUTH if it was given the secret of {ACCOUNT}@{HUB}"
        in said
    )
    scene.hub.sendmail.reload()
    done = scene.client.run("probe", URL, "--client", "attic")
    assert "as they should be" not in done.out
    scene.copy(f"{CERTS}/crl.pem", f"{CERTS}/crl.pem")
    steps = probe(scene.client, URL, "--client", "attic", status=1)
    assert failed(steps) == {"own certificate"}
