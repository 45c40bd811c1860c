"""SCRAM-PLUS over a real session of TLS, with libgsasl as the server."""

import hashlib
import ssl
from base64 import b64decode, b64encode

import pytest
from admin import HUB
from smtp.gsasl import NEEDS_MORE, OK, Server
from smtp.peer import Peer, Talk, decoded, honest

from smtpcreds.probe.asked import Identity
from smtpcreds.probe.step import Outcome

from .conftest import SECRET, House


def served_by_gsasl(talk: Talk, line: str, binding: bytes) -> None:
    _, mechanism, *initial = line.split()
    server = Server(mechanism, SECRET, binding)
    code, said = server.step(decoded(initial[0]))
    while code == NEEDS_MORE or (code == OK and said):
        talk.say(f"334 {b64encode(said).decode()}")
        answer = talk.hear()
        if code == OK:
            break
        code, said = server.step(decoded(answer))
    server.close()
    talk.say("235 2.7.0 yes" if code == OK else "535 5.7.8 no")


def bound(talk: Talk, line: str) -> None:
    if isinstance(talk.handle, ssl.SSLSocket):
        served_by_gsasl(talk, line, talk.handle.get_channel_binding("tls-unique") or b"")
    else:
        talk.say("538 5.7.11 not without TLS")


def relayed(talk: Talk, line: str) -> None:
    """Somebody in between has another session with the server."""
    served_by_gsasl(talk, line, b"another one's")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_the_session_is_bound_up_to_tls_1_2(house: House, identity: Identity, mechanism: str) -> None:
    context = house.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Peer(honest(bound, after=mechanism), context) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
        assert steps["tls"].detail.startswith("TLSv1.2,")
        assert steps[f"auth {mechanism}"].outcome is Outcome.OK
        assert steps[f"wrong password, {mechanism}"].outcome is Outcome.OK
    with Peer(honest(relayed, after=mechanism), context) as peer:
        step = house.probe(peer, identity=identity)[f"auth {mechanism}"]
        assert step.outcome is Outcome.FAILED
        assert step.detail.endswith("535 5.7.8 no")
        assert "in between" in step.cause


def test_above_it_is_bound_to_the_certificate(house: House, identity: Identity) -> None:
    """RFC 5929 section 4.1: the hash of the certificate, which is signed with SHA-256 here."""
    seen: list[bytes] = []

    def look(talk: Talk, line: str) -> None:
        first = decoded(line.split()[2])
        nonce = first.partition(b",r=")[2].decode()
        answer = f"r={nonce}x,s=QSXC,i=4096"
        talk.say(f"334 {b64encode(answer.encode()).decode()}")
        seen.append(b64decode(decoded(talk.hear())[2:].partition(b",")[0]))
        talk.say("535 5.7.8 no")

    with Peer(honest(look, after="SCRAM-SHA-256-PLUS"), house.context()) as peer:
        steps = house.probe(peer, identity=identity)
    der = ssl.PEM_cert_to_DER_cert((house.certs / "dmzmail-cert.pem").read_text())
    assert seen == [b"p=tls-server-end-point,," + hashlib.sha256(der).digest()]
    assert steps["auth SCRAM-SHA-256-PLUS"].cause
    assert HUB in steps["name"].detail
