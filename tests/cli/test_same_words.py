"""Of one fault every verb that looks says the same: the key of a pair, the end of a CRL, an empty host."""

import re
from collections.abc import Iterator

import pytest
from admin import CERTS, HUB, Admin

from .writing import SSH_KEY

KEY, CERTIFICATE = f"{CERTS}/dmzmail-key.pem", f"{CERTS}/dmzmail-cert.pem"


def said(admin: Admin, *verbs: tuple[str, ...]) -> Iterator[str]:
    for words in verbs:
        ran = admin.run(*words)
        yield f"{' '.join(words)}\n{ran.out}\n{ran.err}"


@pytest.fixture
def host(hub: Admin) -> Admin:
    hub("cert", "issue", "attic")
    return hub


def test_a_key_of_another_certificate(host: Admin) -> None:
    host.path(KEY).write_bytes(host.path(f"{CERTS}/attic-key.pem").read_bytes())
    verbs = (
        ("cert", "verify", "dmzmail"),
        ("inventory", "check"),
        ("audit", "--only", "CERT001"),
        ("cert", "issue", "dmzmail"),
        ("probe", f"smtp://{HUB}", "--client", HUB),
    )
    for text in said(host, *verbs):
        assert f"{host.path(KEY)}: is not the key of {host.path(CERTIFICATE)}" in text, text
    for text in said(host, ("cert", "export", "dmzmail", "--with-key")):
        assert f"{host.path(KEY)}: is not the key of " in text, text


def test_a_crl_that_has_ended(host: Admin) -> None:
    later = host.at("+40 days")
    verbs = (
        ("cert", "verify", "dmzmail"),
        ("inventory", "check"),
        ("audit", "--only", "CERT014"),
        ("status",),
        ("cert", "list"),
    )
    found = [
        re.findall(r"expired on (\S+) \d\d:\d\d UTC, (so mail servers refuse .*? of its CA)", text)
        for text in said(later, *verbs)
    ]
    assert all(found), found
    assert len({one for each in found for one in each}) == 1


OF_NOTHING = (
    *(("ca", verb) for verb in ("show", "export", "rollover", "crl")),
    ("ca", "passphrase", "--remove"),
    ("ca", "backup", "-"),
    *(("cert", verb, "attic") for verb in ("issue", "show", "export", "renew", "revoke", "retire", "verify")),
    *(("cert", "list"), ("cert", "renew", "--due"), ("cert", "show", "0815"), ("cert", "verify", "file.pem")),
    *(("tlsa", verb, "attic") for verb in ("show", "next", "plan", "switch", "retire")),
    *(("inventory", "check"), ("inventory", "events")),
    ("bundle", "attic"),
    ("status",),
)


def test_where_there_is_nothing_yet(bare: Admin) -> None:
    """Each verb that needs an authority, its inventory or a certificate names the same beginning."""
    bare.write("/etc/hostname", f"{HUB}\n", 0o644)
    request = ("-newkey", "ed25519", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=attic.polkatistas.org")
    bare.write("request.csr", bare.openssl("req", "-new", *request))
    bare.write("key.pub", SSH_KEY)
    begin = f"smtpcreds ca init; or, to make everything that a hub needs: smtpcreds setup {HUB}"
    more = (
        ("cert", "sign", bare.directory / "request.csr"),
        ("bundle", "attic", "--authorize", bare.directory / "key.pub"),
    )
    found = {words: bare.run(*words) for words in (*OF_NOTHING, *more)}
    assert {words: ran for words, ran in found.items() if begin not in ran} == {}
    assert [path.name for path in bare.root.iterdir()] == ["etc"]
