"""What a server does with client certificates: demand them, reward them, or take any."""

import ssl
from pathlib import Path

import pytest
from smtp.peer import Peer, Talk, honest

from smtpcreds.probe.asked import Envelope
from smtpcreds.probe.session import of_host, of_pair
from smtpcreds.probe.step import Outcome, Step

from .conftest import House

ENVELOPE = Envelope("a@example.net", "b@example.net")


@pytest.fixture(scope="session")
def issued(house: House) -> House:
    house.program("cert", "issue", "attic", "fallen")
    house.program("cert", "revoke", "fallen")
    return house


def context(house: House, mode: ssl.VerifyMode, *, crl: bool) -> ssl.SSLContext:
    made = house.context()
    made.verify_mode = mode
    made.load_verify_locations(house.certs / "cacert.pem")
    if crl:
        made.load_verify_locations(house.certs / "crl.pem")
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return made


def external(talk: Talk, line: str) -> None:
    trusted = isinstance(talk.handle, ssl.SSLSocket) and talk.handle.getpeercert()
    talk.say("235 welcome" if trusted else "535 who?")


def everybody(talk: Talk, line: str) -> None:
    talk.say("235 welcome")


def steps(house: House, peer: Peer, *, envelope: Envelope | None = None) -> dict[str, Step]:
    site = house.site()
    fallen = Path(site.certificates) / "fallen"
    return house.probe(
        peer,
        client=of_host(site, "attic"),
        revoked=of_pair(f"{fallen}-cert.pem", f"{fallen}-key.pem"),
        negative=True,
        envelope=envelope,
    )


def test_a_certificate_is_demanded(issued: House) -> None:
    demanding = context(issued, ssl.CERT_REQUIRED, crl=True)
    with Peer(honest(after=""), demanding) as peer:
        found = steps(issued, peer)
    assert "accepted; without one: " in found["client certificate"].detail
    assert "certificate required" in found["no certificate"].detail
    assert "certificate revoked" in found["revoked certificate"].detail
    assert all(step.outcome is not Outcome.FAILED for step in found.values())


def test_a_revoked_one_will_do(issued: House) -> None:
    careless = context(issued, ssl.CERT_REQUIRED, crl=False)
    with Peer(honest(after=""), careless) as peer:
        found = steps(issued, peer)
    assert found["revoked certificate"].outcome is Outcome.FAILED
    assert "no CRL" in found["revoked certificate"].cause


def test_external_by_certificate(issued: House) -> None:
    with Peer(honest(external, after="EXTERNAL"), context(issued, ssl.CERT_OPTIONAL, crl=False)) as peer:
        found = steps(issued, peer)
    assert found["client certificate"].detail == "accepted; it allows EXTERNAL"
    assert found["auth EXTERNAL"].outcome is Outcome.OK
    assert found["no certificate"].detail == "earns nothing"
    assert found["revoked certificate"].detail.endswith("and still EXTERNAL")


def test_external_for_everybody(issued: House) -> None:
    with Peer(honest(everybody, after="EXTERNAL"), context(issued, ssl.CERT_OPTIONAL, crl=False)) as peer:
        found = steps(issued, peer)
    assert found["no certificate"].outcome is Outcome.FAILED
    assert found["no certificate"].cause


def test_a_local_recipient_proves_nothing(issued: House) -> None:
    with Peer(honest(after=""), context(issued, ssl.CERT_OPTIONAL, crl=False)) as peer:
        found = steps(issued, peer, envelope=ENVELOPE)
    for name in ("client certificate", "no certificate", "revoked certificate"):
        assert found[name].outcome is Outcome.NOTE
    assert "everybody may write to b@example.net" in found["no certificate"].detail


def test_a_certificate_of_another_ca_is_turned_away(issued: House) -> None:
    server = issued.context()
    server.verify_mode = ssl.CERT_REQUIRED
    with Peer(honest(after=""), server) as peer:
        found = issued.probe(peer, client=of_host(issued.site(), "attic"))
    last = list(found.values())[-1]
    assert last.outcome is Outcome.FAILED
    assert "unknown ca" in last.detail
    assert "does not trust the CA of the client certificate" in last.cause
