"""Of one fault every verb that looks says the same: the key of a pair, and the end of a CRL."""

import re
from collections.abc import Iterator

import pytest
from admin import CERTS, HUB, Admin

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
