"""Servers that break the rules, on purpose: each is found out, in words, and no secret reaches them."""

import socket
import threading
import time
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from admin import HUB, Admin
from smtp.peer import PATIENCE, Answer, Peer, Script, Talk, honest

from smtpcreds.pki.encoding import parse_certificates
from smtpcreds.pki.keys import public_id
from smtpcreds.pki.tlsa import parse_association
from smtpcreds.probe.asked import Envelope, Identity
from smtpcreds.probe.step import Outcome, Step

from .conftest import LATER, SECRET, House

PLAIN = b64encode(f"\0maildroid\0{SECRET}".encode()).decode()


def failed(steps: dict[str, Step]) -> dict[str, str]:
    """Return what went wrong, or is not known."""
    assert all(s.outcome is not Outcome.UNKNOWN for s in [*steps.values()][:-1])
    return {name: s.detail for name, s in steps.items() if s.outcome in {Outcome.FAILED, Outcome.UNKNOWN}}


def told(peer: Peer) -> bool:
    """Whether the peer was given the password, in one way or the other."""
    secret = b64encode(SECRET.encode()).decode()
    return any(word in line for line in peer.heard for word in (SECRET, PLAIN, secret))


def truncated(talk: Talk) -> None:
    talk.raw(b"220 hel")


def endless_line(talk: Talk) -> None:
    talk.raw(b"220 ")
    while True:
        talk.raw(b"x" * 4096)


def endless_reply(talk: Talk) -> None:
    while True:
        talk.say(*["220-more"] * 64)


def slow(talk: Talk) -> None:
    for _ in range(2000):
        talk.raw(b"2")
        time.sleep(0.02)


def silent(talk: Talk) -> None:
    talk.hear()


def gone(talk: Talk) -> None:
    talk.handle.close()


def two_codes(talk: Talk) -> None:
    talk.say("220-a", "554 b")


def web(talk: Talk) -> None:
    talk.say("HTTP/1.1 400 Bad Request")


def unwilling(talk: Talk) -> None:
    talk.say("554 5.7.1 no")


LATE = "did not answer in time"
BANNERS: list[tuple[Script, str]] = [
    (truncated, "closed the connection in the middle of a reply"),
    (endless_line, "over 2048 octets"),
    (endless_reply, "over 100 lines"),
    (slow, LATE),
    (silent, LATE),
    (gone, "closed the connection without a reply"),
    (two_codes, "two codes"),
    (web, "not a reply"),
    (unwilling, "554 5.7.1 no"),
]


@pytest.mark.parametrize(("script", "complaint"), BANNERS, ids=[script.__name__ for script, _ in BANNERS])
def test_a_banner_that_is_none(house: House, identity: Identity, script: Script, complaint: str) -> None:
    seconds = 0.4 if complaint == LATE else PATIENCE
    with Peer(script) as peer:
        steps = house.probe(peer, identity=identity, negative=True, seconds=seconds)
    assert list(steps) == ["resolve", "connect", "banner"]
    assert complaint in failed(steps)["banner"]
    assert steps["banner"].cause
    assert steps["banner"].cure


def test_eight_bit_text_is_shown_and_does_no_harm(house: House) -> None:
    def script(talk: Talk) -> None:
        talk.say(b"220 M\xfcnchen \x1b[2J")

    with Peer(script) as peer:
        assert house.probe(peer)["banner"].detail == "220 M\\xfcnchen \\x1b[2J"


def injecting(talk: Talk) -> None:
    talk.raw(b"220 ready\r\n250-injected\r\n250 AUTH PLAIN\r\n")
    talk.secure()


def refusing(talk: Talk) -> None:
    talk.say("454 4.7.0 TLS not available due to local problem")


def babbling(talk: Talk) -> None:
    talk.say("220 ready")
    talk.hear()
    talk.say("what?")


def vanishing(talk: Talk) -> None:
    talk.say("220 ready")
    talk.handle.shutdown(1)


DOWNGRADES: list[tuple[Script, str, str]] = [
    (honest(offers_tls=False, before="PLAIN"), "starttls", "STARTTLS is not offered"),
    (honest(starttls=refusing, before="PLAIN"), "starttls", "454 4.7.0 TLS not available"),
    (honest(starttls=injecting, before="PLAIN"), "starttls", "plain text came behind the answer to STARTTLS"),
    (honest(starttls=babbling, before="PLAIN"), "tls", "wrong version number"),
    (honest(starttls=vanishing, before="PLAIN"), "tls", "closed"),
]


@pytest.mark.parametrize(
    ("script", "step", "complaint"), DOWNGRADES, ids=["absent", "refused", "injected", "babble", "vanish"]
)
def test_without_tls_nothing_is_told(
    house: House, identity: Identity, script: Script, step: str, complaint: str
) -> None:
    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
        assert list(steps)[-1] == step
        assert complaint in failed(steps)[step]
        assert steps[step].cause
        assert not any(line.startswith("AUTH") for line in peer.heard)


def accepting(talk: Talk, line: str) -> None:
    talk.say("235 2.7.0 welcome")


def test_a_server_that_lets_everybody_in(house: House, identity: Identity) -> None:
    script = honest(accepting, before="PLAIN", after="PLAIN SCRAM-SHA-256")
    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
    assert failed(steps).keys() == {
        "mechanisms before TLS",
        "auth SCRAM-SHA-256",
        "wrong password, PLAIN",
        "PLAIN before TLS",
    }
    assert "before it has proved to know the secret" in steps["auth SCRAM-SHA-256"].detail
    assert "a wrong password was accepted: 235" in steps["wrong password, PLAIN"].detail
    assert "accepted without TLS" in steps["PLAIN before TLS"].detail
    assert all(steps[name].cause and steps[name].cure for name in failed(steps))


def lying(talk: Talk, line: str) -> None:
    """It offers mechanisms and has none of them."""
    talk.say("504 5.5.4 Unrecognized authentication type")


def pretending(talk: Talk, line: str) -> None:
    """It does not know the secret and speaks as if."""
    nonce = decoded_nonce(line)
    first = f"r={nonce}x,s=QSXCR+Q6sek8bf92,i=4096"
    talk.say(f"334 {b64encode(first.encode()).decode()}")
    talk.hear()
    talk.say(f"334 {b64encode(b'v=AAAA').decode()}")
    if talk.hear() != "*":
        talk.say("235 welcome")
    talk.say("501 cancelled")


def decoded_nonce(line: str) -> str:
    from base64 import b64decode

    return b64decode(line.split()[2]).decode().partition("r=")[2]


def garbled(talk: Talk, line: str) -> None:
    talk.say("334 !not base64!")
    assert talk.hear() == "*"
    talk.say("501 cancelled")


def insatiable(talk: Talk, line: str) -> None:
    talk.say("334 ")
    while talk.hear() != "*":
        talk.say("334 ")
    talk.say("501 cancelled")


def echoing(talk: Talk, line: str) -> None:
    talk.say(f"535 5.7.8 {line} is {SECRET}, I think")


AUTH = [
    (lying, "SCRAM-SHA-256", "504 5.5.4"),
    (pretending, "SCRAM-SHA-256", "did not prove that it knows the secret"),
    (garbled, "SCRAM-SHA-256", "not base64"),
    (garbled, "CRAM-MD5", "not base64"),
    (insatiable, "PLAIN", "asks for more than the mechanism has"),
    (insatiable, "LOGIN", "asks for more than the mechanism has"),
    (insatiable, "SCRAM-SHA-1", "not of SCRAM"),
    (insatiable, "DIGEST-MD5", "without nonce"),
    (accepting, "DIGEST-MD5", "before it has proved"),
    (accepting, "CRAM-MD5", "before it has proved"),
]


@pytest.mark.parametrize(
    ("auth", "mechanism", "complaint"), AUTH, ids=[f"{a.__name__}-{m}" for a, m, _ in AUTH]
)
def test_auth_that_is_none(
    house: House, identity: Identity, auth: object, mechanism: str, complaint: str
) -> None:
    with Peer(honest(auth, after=mechanism), house.context()) as peer:  # type: ignore[arg-type]
        steps = house.probe(peer, identity=identity)
    assert failed(steps).keys() == {f"auth {mechanism}"}
    assert complaint in steps[f"auth {mechanism}"].detail
    assert steps[f"auth {mechanism}"].cause


def test_a_server_that_repeats_the_secret_is_not_quoted(house: House, identity: Identity) -> None:
    with Peer(honest(echoing), house.context()) as peer:
        steps = house.probe(peer, identity=identity)
        assert told(peer)
    assert steps["auth PLAIN"].detail.endswith("535 5.7.8 AUTH PLAIN <secret> is <secret>, I think")


def test_a_server_with_other_mechanisms_only(house: House, identity: Identity) -> None:
    with Peer(honest(after="GSSAPI NTLM"), house.context()) as peer:
        steps = house.probe(peer, identity=identity)
    assert "no mechanism in common; the server offers GSSAPI NTLM" in failed(steps)["auth"]


def test_anonymous_is_a_finding(house: House) -> None:
    with Peer(honest(after="ANONYMOUS PLAIN"), house.context()) as peer:
        assert failed(house.probe(peer)).keys() == {"mechanisms"}


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of the same host by another CA of the same name."""
    program = Admin(tmp_path_factory.mktemp("strangers") / "root")
    program("setup", HUB, "--no-passphrase")
    return program.root / "etc/mail/certs"


@pytest.fixture(scope="session")
def impostors(house: House) -> House:
    """The house, with certificates that are no good for the hub."""
    house.program("cert", "issue", "impostor", "player")
    house.program("cert", "issue", "clientonly", "--client", "--san", HUB)
    house.program("cert", "issue", "fallen", "--san", HUB)
    house.program("cert", "revoke", "fallen")
    return house


FAULTS: dict[str, tuple[str, dict[str, object], set[str]]] = {
    "another CA": ("dmzmail", {}, {"chain", "openssl"}),
    "another name": ("impostor", {}, {"name", "openssl"}),
    "another purpose": ("clientonly", {}, {"purpose", "openssl"}),
    "expired": ("dmzmail", {"later": LATER}, {"dates", "revocation"}),
    "revoked": ("fallen", {}, {"revocation"}),
}
"""Whose certificate the server has, what is to be different here, and which steps find it."""


@pytest.mark.parametrize("fault", FAULTS)
def test_who_is_not_the_hub_is_not_told_the_secret(
    impostors: House, strangers: Path, identity: Identity, fault: str
) -> None:
    host, more, expected = FAULTS[fault]
    house = impostors
    context = house.context(host, strangers if fault == "another CA" else None)
    with Peer(honest(accepting), context) as peer:
        steps = house.probe(peer, identity=identity, negative=True, **more)  # type: ignore[arg-type]
        assert failed(steps).keys() - {"PLAIN before TLS"} == expected
        assert all(steps[name].cause for name in expected)
        assert steps["auth"].outcome is Outcome.SKIPPED
        assert not told(peer)

        steps = house.probe(peer, identity=identity, insecure=True, **more)  # type: ignore[arg-type]
        assert steps["auth PLAIN"].outcome is Outcome.OK
        assert told(peer)


def test_a_server_that_turns_bad_between_two_connections_is_not_told(
    impostors: House, identity: Identity
) -> None:
    """The gate is on each connection, not on the first one."""
    house = impostors
    contexts = iter([house.context(), house.context("impostor")])

    def starttls(talk: Talk) -> None:
        talk.say("220 ready")
        talk.handle = next(contexts).wrap_socket(talk.handle, server_side=True)

    with Peer(honest(accepting, starttls=starttls, after="PLAIN LOGIN")) as peer:
        steps = house.probe(peer, identity=identity)
        assert steps["auth PLAIN"].outcome is Outcome.OK
        assert "mismatch" in failed(steps)["auth LOGIN"]
        assert "AUTH LOGIN" not in peer.heard


def test_tlsa_is_checked_on_every_connection_that_carries_a_secret(
    impostors: House, identity: Identity
) -> None:
    house = impostors
    house.program("cert", "issue", "twin", "--san", HUB)
    own = parse_certificates((house.certs / "dmzmail-cert.pem").read_bytes(), "file").certificates[0]
    record = parse_association(f"3 1 1 {public_id(own)}")
    contexts = iter([house.context(), house.context("twin")])

    def starttls(talk: Talk) -> None:
        talk.say("220 ready")
        talk.handle = next(contexts).wrap_socket(talk.handle, server_side=True)

    with Peer(honest(accepting, starttls=starttls, after="PLAIN LOGIN")) as peer:
        steps = house.probe(peer, identity=identity, tlsa=(record,))
        assert steps["tlsa"].outcome is steps["auth PLAIN"].outcome is Outcome.OK
        assert failed(steps).keys() == {"auth LOGIN"}
        assert "AUTH LOGIN" not in peer.heard


def test_who_can_not_prove_to_know_the_secret_is_told_no_more(house: House, identity: Identity) -> None:
    with Peer(honest(pretending, after="SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN"), house.context()) as peer:
        steps = house.probe(peer, identity=identity, envelope=Envelope("a@example.net", "b@example.net"))
        assert failed(steps).keys() == {"auth SCRAM-SHA-256"}
        for name in ("auth CRAM-MD5", "auth PLAIN", "auth LOGIN", "send"):
            assert steps[name].outcome is Outcome.SKIPPED
        assert not told(peer)
        assert [line.split()[1] for line in peer.heard if line.startswith("AUTH")] == ["SCRAM-SHA-256"]


BUSY = ["421 4.7.0 Connection rate limit exceeded", "454 4.3.0 Please try again later"]


@pytest.mark.parametrize("reply", BUSY)
@pytest.mark.parametrize("connection", [1, 2, 3])
def test_a_server_that_is_busy_is_asked_no_more(
    house: House, identity: Identity, reply: str, connection: int
) -> None:
    """What it says then is no answer: neither that it refuses nor that it grants."""
    begun: list[Talk] = []
    serve = honest(accounts_of(SECRET), before="CRAM-MD5", after="PLAIN LOGIN")

    def script(talk: Talk) -> None:
        begun.append(talk)
        if len(begun) < connection:
            serve(talk)
        else:
            talk.say(reply)

    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
    most = {1: 1, 2: 5, 3: 5}[connection]
    assert connection <= len(begun) <= most, "the second to the fourth at once, and one more alone"
    last = [*steps.values()][-1]
    assert (last.outcome, last.detail.endswith(reply)) == (Outcome.UNKNOWN, True)
    assert not any(step.outcome is Outcome.FAILED for step in steps.values())


@pytest.mark.parametrize("reply", BUSY)
def test_a_busy_answer_to_a_login_is_none(house: House, identity: Identity, reply: str) -> None:
    with Peer(honest(lambda talk, line: talk.say(reply), after="PLAIN LOGIN"), house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
        assert [line.split()[:2] for line in peer.heard if line.startswith("AUTH")] == [["AUTH", "PLAIN"]]
    assert [name for name, s in steps.items() if s.outcome is Outcome.UNKNOWN] == ["auth PLAIN"]


def accounts_of(secret: str) -> Answer:
    """Return the answers of a server that knows the account, and closes nothing."""
    word = b64encode(secret.encode()).decode()

    def answer(talk: Talk, line: str) -> None:
        if not talk.tls:
            talk.say("538 5.7.11 not without TLS")
        elif line.split()[1] == "LOGIN":
            for _ in range(2):
                talk.say("334 ")
                said = talk.hear()
            talk.say("235 yes" if said == word else "535 no")
        else:
            talk.say("235 yes" if line.split()[2] == PLAIN else "535 no")

    return answer


def test_several_questions_share_a_connection(house: House, identity: Identity) -> None:
    begun: list[Talk] = []
    serve = honest(accounts_of(SECRET), before="CRAM-MD5", after="PLAIN LOGIN")

    def script(talk: Talk) -> None:
        begun.append(talk)
        serve(talk)

    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
    assert not failed(steps)
    assert "wrong password, LOGIN" in steps
    assert len(begun) == 4, "a look and a login, a login, and two attempts of what must be refused on each"


def test_connections_that_are_sure_to_be_needed_wait_for_their_greeting_together(
    house: House, identity: Identity
) -> None:
    """Debian's Sendmail lets each wait before it greets; here, until the next one is there as well."""
    begun: list[Talk] = []
    both = threading.Barrier(2)
    serve = honest(accounts_of(SECRET), before="CRAM-MD5", after="PLAIN LOGIN")

    def script(talk: Talk) -> None:
        begun.append(talk)
        if len(begun) in (2, 3):
            both.wait(20)
        serve(talk)

    with Peer(script, house.context()) as peer:
        assert not failed(house.probe(peer, identity=identity, negative=True))
    assert len(begun) == 4


def is_open(handle: socket.socket) -> bool:
    """Tell whether neither side has ended a connection."""
    with suppress(OSError):
        return handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == bytes([_ESTABLISHED])
    return False


_ESTABLISHED = 1


@pytest.mark.parametrize("most", [1, 2])
def test_a_server_that_takes_few_connections_at_a_time_gets_one_after_the_other(
    house: House, identity: Identity, most: int
) -> None:
    """Exim's smtp_accept_max_per_host and Sendmail's ClientConn answer 421."""
    taken: list[Talk] = []
    serve = honest(accounts_of(SECRET), before="CRAM-MD5", after="PLAIN LOGIN")

    def script(talk: Talk) -> None:
        if sum(is_open(other.handle) for other in taken) >= most:
            talk.say("421 4.3.2 Too many open connections.")
        else:
            taken.append(talk)
            serve(talk)

    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
    assert not failed(steps)
    assert Outcome.UNKNOWN not in {step.outcome for step in steps.values()}
    assert 4 <= len(taken) <= 7, "at most those more that were opened beforehand"


def test_who_was_not_greeted_says_nothing(house: House, identity: Identity) -> None:
    """Sendmail and postscreen take whoever speaks first for a spammer."""
    begun: list[Talk] = []
    said: list[bytes] = []
    serve = honest(lambda talk, line: talk.say("454 4.3.0 Please try again later"), after="PLAIN LOGIN")

    def script(talk: Talk) -> None:
        begun.append(talk)
        if len(begun) == 1:
            serve(talk)
        else:
            said.append(talk.handle.recv(100))

    with Peer(script, house.context()) as peer:
        steps = house.probe(peer, identity=identity, negative=True)
        assert steps["auth PLAIN"].outcome is Outcome.UNKNOWN
    assert set(said) <= {b""}


def test_clear_text_needs_a_word_that_says_so(house: House, identity: Identity) -> None:
    from smtpcreds.errors import UsageError

    with Peer(honest(accepting, before="PLAIN")) as peer:
        with pytest.raises(UsageError, match="no password is sent without TLS"):
            house.probe(peer, clear=True, identity=identity)
        assert not peer.heard
        steps = house.probe(peer, clear=True, identity=identity, insecure=True)
        assert not failed(steps)
        assert told(peer)
