"""A token beside a root, one that dies while it signs, and a key that a killed run left in one."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import softhsm
from admin import STATE, Admin, peer
from softhsm import PIN, Token

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
typedef unsigned long rv;
/* CK_FUNCTION_LIST: a version in the first word, then pointers in the order of PKCS #11 2.40. */
static void *list[70], *real[70];
static int gone;
#define REMOVED 0x32 /* CKR_DEVICE_REMOVED */
#define WHILE_THERE(number) static rv there##number(rv a, rv b, rv c, rv d, rv e, rv f, rv g, rv h) { \
    return gone ? REMOVED : ((rv (*)(rv, rv, rv, rv, rv, rv, rv, rv))real[number])(a, b, c, d, e, f, g, h); }
WHILE_THERE(7) WHILE_THERE(13) WHILE_THERE(14) WHILE_THERE(20) WHILE_THERE(23) WHILE_THERE(25)
WHILE_THERE(27) WHILE_THERE(28) WHILE_THERE(29) WHILE_THERE(43) WHILE_THERE(59)
static rv dying(rv session, void *data, rv length, void *out, void *size) {
    static long left = -1;
    if (left < 0) left = atol(getenv("SIGNATURES_LEFT"));
    if (out && left-- <= 0) gone = 1;
    if (gone) return REMOVED;
    return ((rv (*)(rv, void *, rv, void *, void *))real[44])(session, data, length, out, size);
}
rv C_GetFunctionList(void ***given) {
    void *library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
    rv (*get)(void ***) = (rv (*)(void ***))dlsym(library, "C_GetFunctionList");
    void **of;
    rv result = get(&of);
    memcpy(list, of, 69 * sizeof(void *));
    memcpy(real, of, 69 * sizeof(void *));
#define PUT(number) list[number] = (void *)there##number;
    PUT(7) PUT(13) PUT(14) PUT(20) PUT(23) PUT(25) PUT(27) PUT(28) PUT(29) PUT(43) PUT(59)
    list[44] = (void *)dying; /* C_Sign */
    *given = list;
    return result;
}
"""
"""A library before SoftHSM's whose token is pulled out after so many signatures."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library."""
    home = tmp_path_factory.mktemp("shim")
    (home / "dying.c").write_text(SHIM)
    peer("cc", "-shared", "-fPIC", "-w", "-o", home / "dying.so", home / "dying.c", "-ldl")
    return home / "dying.so"


@pytest.fixture
def dying(with_token: Admin, token: Token, shim: Path) -> Admin:
    """Make an authority whose token has 10,000 signatures left."""
    admin = replace(with_token, env={**with_token.env, "SIGNATURES_LEFT": "10000"})
    admin("ca", "init", "--token", token.uri.replace(softhsm.MODULE, str(shim)))
    return admin


HOSTS = [f"host{number}" for number in range(6)]


@pytest.mark.parametrize("left", range(8))
def test_a_token_that_dies_in_a_batch_leaves_whole_pairs_and_the_rest_follows(
    dying: Admin, left: int
) -> None:
    """One signature for each host; the CRL is a day old only later."""
    dying("cert", "issue", "dmzmail")
    ran = dying.run("cert", "issue", *HOSTS, env={"SIGNATURES_LEFT": str(left)})
    assert ran.status == (69 if left < len(HOSTS) else 0), ran
    if ran.status:
        assert "token relays: does not answer (DeviceRemoved)" in ran.err
    for certificate in dying.certs.glob("host*-cert.pem"):
        dying.verify(certificate)
        dying.openssl("pkey", "-in", str(certificate).replace("-cert", "-key"), "-noout")
    assert not [path for path in dying.certs.iterdir() if path.name.startswith(".")]
    assert {row[0] for row in dying.query("SELECT state FROM certificates")} <= {"issued", "discarded"}

    there = {path.name.removesuffix("-cert.pem") for path in dying.certs.glob("host*-cert.pem")}
    missing = [host for host in HOSTS if host not in there]
    if missing:
        dying("cert", "issue", *missing)
    for host in HOSTS:
        dying.verify(dying.certs / f"{host}-cert.pem")
    dying("inventory", "check")


@pytest.mark.parametrize("words", ["cert renew --due", "ca crl", "cert revoke host0", "ca rollover"])
def test_a_token_that_dies_in_another_verb_is_followed_up_by_the_next_run(
    dying: Admin, token: Token, words: str
) -> None:
    dying("cert", "issue", *HOSTS)
    later = dying.at("+250 days") if "--due" in words else dying
    ran = later.run(*words.split(), env={"SIGNATURES_LEFT": "0"})
    assert (ran.status, "token relays: does not answer (DeviceRemoved)" in ran.err) == (69, True), ran
    assert later.run(*words.split()).status in {0, 1}
    if "revoke" in words:
        assert "revoked" in later.verify(dying.certs / "host0-cert.pem", status=2)
    for host in HOSTS[1:]:
        later.verify(dying.certs / f"{host}-cert.pem")
    assert later.run("inventory", "check").status == ("revoke" in words)  # its pair is in place still
    assert token.keys() == (2 if words == "ca rollover" else 1)


# A key that a killed run left.


@pytest.mark.parametrize("words", [("ca", "init"), ("ca", "rollover")], ids=" ".join)
def test_what_a_killed_run_made_in_the_token_goes_with_the_next(
    smtpcreds: Admin, tmp_path: Path, words: tuple[str, str]
) -> None:
    """Killed as it enters each call that changes a name, so before and after each step."""
    fresh = smtpcreds.directory / "fresh"
    token = softhsm.make(fresh / "hsm")
    admin = token.for_(smtpcreds)
    admin.configure(f'domain = "polkatistas.org"\n[ca]\npin = "{admin.secret("pin", PIN.encode())}"\n')
    if words[1] == "rollover":
        admin("ca", "init", "--token", token.uri)
    command = (*words, "--token", token.uri)

    def renewed(number: int) -> tuple[Admin, Token]:
        home = tmp_path / str(number)
        subprocess.run(["cp", "-a", fresh, home], check=True)
        own = Token(home / "hsm")
        settings = home / "hsm/softhsm2.conf"
        settings.write_text(settings.read_text().replace(str(fresh), str(home)))
        return own.for_(admin.copy(home / "root")), own

    first, _ = renewed(0)
    names = {"rename", "renameat", "renameat2", "unlink", "unlinkat", "fsync"}
    found = [point for point in first.kill_points(*command) if point.call in names]
    own = [point for point in found if STATE in point.text or "hsm" in point.text]
    left_behind = 0
    for number, point in enumerate(own, 1):
        after, its = renewed(number)
        after.killed_at(point, *command)
        expected = 2 if words[1] == "rollover" else 1
        there = after.run("ca", "show")
        again = after.run(*command)
        if again.status:  # the killed run had finished
            assert again.status in {73, 77}, (point, again)
            assert there.status == 0
            after("ca", "crl")
        left_behind += "an interrupted run may have left key" in again.err
        assert its.keys() == expected, (point, again)
        assert not list(after.state.glob("*token-key")), point
    assert left_behind


def test_a_key_left_in_another_token_is_named(tokened: Admin, token: Token) -> None:
    tokened.path(f"{STATE}/ca-token-key").write_text(
        f"pkcs11:token=away;object=CA%200102;id=%01%02;type=private?module-path={softhsm.MODULE}"
    )
    tokened.path(f"{STATE}/ca-token-key").chmod(0o600)
    assert "token away: an interrupted run may have left key CA 0102 in it" in tokened("ca", "crl").err
    said = tokened.refuses(77, "ca", "rollover")
    assert "token away: may hold key CA 0102 of an interrupted run" in said
    assert token.keys() == 1


# A root in a file above a key in the token.


@pytest.fixture
def two_tier(with_token: Admin, token: Token) -> Admin:
    """Make a root in a file with a passphrase; what signs is in the token."""
    with_token("ca", "init", "--intermediate", "--token", token.uri, "--passphrase", with_token.secret("key"))
    return with_token


def test_the_root_stays_in_a_file_and_the_token_signs(two_tier: Admin, token: Token, tmp_path: Path) -> None:
    assert token.keys() == 1
    assert two_tier.path(f"{STATE}/ca/ca-key.pem").read_text().startswith("pkcs11:")
    assert "ENCRYPTED PRIVATE KEY" in two_tier.path(f"{STATE}/ca/root-key.pem").read_text()
    two_tier("cert", "issue", "dmzmail", "attic")
    two_tier("cert", "revoke", "attic")
    every = ("-crl_check_all", "-CAfile", two_tier.certs / "cacert.pem", "-CRLfile")
    lists = two_tier.certs / "all-crls.pem"
    peer("openssl", "verify", *every, lists, two_tier.certs / "dmzmail-cert.pem")
    peer("openssl", "verify", *every, lists, two_tier.certs / "attic-cert.pem", status=2)
    opens = ("--passphrase", two_tier.secret("key"))
    two_tier("ca", "export", "--root-key", "--remove", "--to", tmp_path / "root.pem", *opens)
    two_tier("cert", "issue", "tuba")
    two_tier("ca", "crl")
    assert "give --root-key FILE" in two_tier.refuses(66, "ca", "rollover")
    two_tier("ca", "rollover", "--root-key", tmp_path / "root.pem", *opens)
    assert token.keys() == 2
    two_tier("cert", "renew", "--old-authority")
    two_tier("cert", "retire", "tuba")
    two_tier("cert", "retire", "attic")
    two_tier("ca", "rollover", "--retire-old", "--root-key", tmp_path / "root.pem", *opens)
    peer("openssl", "verify", *every, lists, two_tier.certs / "dmzmail-cert.pem")
    two_tier("inventory", "check")


def test_a_new_root_beside_a_token_gets_the_passphrase_of_the_one_before(two_tier: Admin) -> None:
    wrong = two_tier.secret("wrong", b"Not the passphrase")
    two_tier.refuses(77, "ca", "rollover", "--new-root", "--passphrase", wrong)
    two_tier("ca", "rollover", "--new-root", "--passphrase", two_tier.secret("key"))
    assert "ENCRYPTED PRIVATE KEY" in two_tier.path(f"{STATE}/ca/root-key.pem").read_text()
    two_tier("cert", "issue", "dmzmail")
    two_tier.verify(two_tier.certs / "dmzmail-cert.pem")


def test_no_new_root_is_stored_without_a_passphrase_unasked(tokened: Admin) -> None:
    assert "knows no passphrase" in tokened.refuses(64, "ca", "rollover", "--intermediate")


def test_a_pin_without_a_token_is_refused(with_token: Admin) -> None:
    with_token.refuses(64, "ca", "init", "--pin", "env:PIN")


def test_the_shim_is_what_it_says(dying: Admin) -> None:
    """Else nothing dies, and nothing above is shown."""
    assert os.environ.get("SIGNATURES_LEFT") is None
    assert "DeviceRemoved" in dying.run("ca", "crl", env={"SIGNATURES_LEFT": "0"}).err
