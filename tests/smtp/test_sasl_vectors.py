"""The mechanisms against the examples of their RFCs, and servers that break them."""

from base64 import b64decode

import pytest

from smtpcreds.secret import Secret
from smtpcreds.smtp.connection import SaslError
from smtpcreds.smtp.sasl import MECHANISMS, WAIT, Binding, Channel, Exchange, Login, digest_md5, scram

HERE = Channel("elwood.innosoft.com")


def login(name: str, secret: str, authzid: str = "") -> Login:
    return Login(name, Secret(secret), authzid)


def said(exchange: Exchange, *challenges: bytes) -> list[bytes]:
    """What the client says to these challenges; the last message has to be `last`, and no other."""
    first = next(exchange)
    messages = [] if first is WAIT else [first]
    messages += map(exchange.send, challenges)
    assert [message.last for message in messages] == [False] * (len(messages) - 1) + [True]
    return [message.data for message in messages]


def test_rfc_4616_plain() -> None:
    assert said(MECHANISMS["PLAIN"](login("tim", "tanstaaftanstaaf"), HERE)) == [b"\0tim\0tanstaaftanstaaf"]
    assert said(MECHANISMS["PLAIN"](login("Kurt", "xipj3plmq", "Ursel"), HERE)) == [b"Ursel\0Kurt\0xipj3plmq"]


def test_login() -> None:
    exchange = MECHANISMS["LOGIN"](login("tim", "pw"), HERE)
    assert said(exchange, b"Username:", b"Password:") == [b"tim", b"pw"]


def test_rfc_4422_external() -> None:
    assert said(MECHANISMS["EXTERNAL"](login("", ""), HERE)) == [b""]
    named = login("", "", "fred@example.com")
    assert said(MECHANISMS["EXTERNAL"](named, HERE)) == [b"fred@example.com"]


def test_rfc_2195_cram_md5() -> None:
    exchange = MECHANISMS["CRAM-MD5"](login("tim", "tanstaaftanstaaf"), HERE)
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert said(exchange, challenge) == [b"tim b913a602c7eda7a495b4e6e7334d3890"]


DIGEST = b'realm="elwood.innosoft.com",nonce="%b",qop="auth",algorithm=md5-sess,charset=utf-8'
RFC_2831 = [
    (
        "imap",
        b"OA6MG9tEQGm2hh",
        b"OA6MHXh6VqTrRk",
        b"d388dad90d4bbd760a152321f2143af7",
        b"ea40f60335c427b5527b84dbabcdfffd",
    ),
    (
        "acap",
        b"OA9BSXrbuRhWay",
        b"OA9BSuZWMSpW8m",
        b"6084c6db3fede7352c551284490fd0fc",
        b"2f0b3d7c3c2e486600ef710726aa2eae",
    ),
]


@pytest.mark.parametrize(("service", "nonce", "cnonce", "response", "rspauth"), RFC_2831)
def test_rfc_2831_digest_md5(
    service: str, nonce: bytes, cnonce: bytes, response: bytes, rspauth: bytes
) -> None:
    exchange = digest_md5(login("chris", "secret"), HERE, cnonce=cnonce, service=service)
    answer, end = said(exchange, DIGEST % nonce, b"rspauth=" + rspauth)
    assert answer == (
        b'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="%b",nc=00000001,'
        b'cnonce="%b",digest-uri="%b/elwood.innosoft.com",response=%b,qop=auth'
        % (nonce, cnonce, service.encode(), response)
    )
    assert end == b""


SCRAM = [
    (
        "sha1",
        "fyko+d2lbbFgONRv9qkxdawL",
        b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    (
        "sha256",
        "rOprNGfwEbeRWgbNEkqO",
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
]


@pytest.mark.parametrize(("name", "nonce", "first", "proof", "signature"), SCRAM, ids=["5802", "7677"])
def test_rfc_5802_and_rfc_7677_scram(
    name: str, nonce: str, first: bytes, proof: bytes, signature: bytes
) -> None:
    exchange = scram(name, login("user", "pencil"), HERE, nonce=nonce)
    assert said(exchange, first, signature) == [f"n,,n=user,r={nonce}".encode(), proof, b""]


def opening(channel: Channel, *, plus: bool = False) -> bytes:
    return next(scram("sha1", login("a=b,c", "x", "d,e"), channel, plus=plus, nonce="n")).data


def test_scram_names_the_binding_and_escapes_names() -> None:
    bound = Channel("h", binding=Binding("tls-unique", b"\1\2"))
    assert opening(HERE) == b"n,a=d=2Ce,n=a=3Db=2Cc,r=n"
    assert opening(bound).startswith(b"y,")
    assert opening(Channel("h", binding=bound.binding, is_binding_offered=True)).startswith(b"n,")
    assert opening(bound, plus=True).startswith(b"p=tls-unique,")
    with pytest.raises(SaslError, match="no channel binding"):
        opening(HERE, plus=True)


def test_scram_plus_carries_the_binding() -> None:
    bound = Channel("h", binding=Binding("tls-unique", b"\1\2"))
    exchange = scram("sha1", login("user", "pencil"), bound, plus=True, nonce="n")
    next(exchange)
    answer = exchange.send(b"r=nx,s=QSXCR+Q6sek8bf92,i=4096")
    assert b64decode(answer.data[2:].partition(b",")[0]) == b"p=tls-unique,,\1\2"


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        (b"r=nx,s=QSXC,i=1", "1 iterations"),
        (b"r=nx,s=QSXC,i=4000000000", "4000000000 iterations"),
        (b"r=n,s=QSXC,i=4096", "did not extend"),
        (b"r=other,s=QSXC,i=4096", "did not extend"),
        (b"m=ext,r=nx,s=QSXC,i=4096", "not of SCRAM"),
        (b"r=nx,s=,i=4096", "not of SCRAM"),
        (b"r=nx,s=!,i=4096", "not of SCRAM"),
        (b"r=nx,s=QSXC", "not of SCRAM"),
        (b"\xff", "not of SCRAM"),
        (b"", "not of SCRAM"),
    ],
)
def test_scram_refuses_a_first_message(first: bytes, complaint: str) -> None:
    exchange = scram("sha1", login("user", "pencil"), HERE, nonce="n")
    next(exchange)
    with pytest.raises(SaslError, match=complaint):
        exchange.send(first)


@pytest.mark.parametrize(
    ("final", "complaint"),
    [
        (b"v=rmF9pqV8S7suAoZWja4dJRkFsKR=", "signature"),
        (b"", "signature"),
        (b"e=invalid-proof", "invalid-proof"),
    ],
)
def test_scram_refuses_a_server_that_does_not_know_the_secret(final: bytes, complaint: str) -> None:
    name, nonce, first, *_ = SCRAM[0]
    exchange = scram(name, login("user", "pencil"), HERE, nonce=nonce)
    next(exchange)
    exchange.send(first)
    with pytest.raises(SaslError, match=complaint):
        exchange.send(final)


@pytest.mark.parametrize(
    ("challenge", "complaint"),
    [
        (b"", "without nonce"),
        (b'nonce="a"', "md5-sess"),
        (b'nonce="a",algorithm=md5-sess,qop="auth-conf"', "security layers"),
        (b'nonce="a",nonce="b",algorithm=md5-sess', "two values of nonce"),
        (b'nonce="a', "not a list"),
        (b"\xff\0", "not a list"),
    ],
)
def test_digest_md5_refuses_a_challenge(challenge: bytes, complaint: str) -> None:
    exchange = digest_md5(login("chris", "secret"), HERE)
    next(exchange)
    with pytest.raises(SaslError, match=complaint):
        exchange.send(challenge)


@pytest.mark.parametrize("answer", [b"rspauth=ea40f60335c427b5527b84dbabcdfffe", b"", b'realm="x"'])
def test_digest_md5_refuses_a_server_that_does_not_know_the_secret(answer: bytes) -> None:
    exchange = digest_md5(login("chris", "secret"), HERE, cnonce=b"c")
    next(exchange)
    exchange.send(DIGEST % b"n")
    with pytest.raises(SaslError, match="rspauth"):
        exchange.send(answer)


def test_digest_md5_takes_the_accounts_realm_where_it_is_offered() -> None:
    def realm(*offered: bytes) -> bytes:
        exchange = digest_md5(login("chris", "secret"), Channel("h", realm="own"))
        next(exchange)
        realms = b"".join(b'realm="%b",' % name for name in offered)
        message = exchange.send(realms + b'nonce="n",algorithm=md5-sess')
        return message.data.partition(b"realm=")[2].partition(b",")[0]

    assert realm(b"first", b"own") == b'"own"'
    assert realm(rb"se\"cond", b"first") == rb'"se\"cond"'
    assert realm() == b'"own"'
