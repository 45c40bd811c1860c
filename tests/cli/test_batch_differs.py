"""A batch is many times one: the same bytes but for serial number, key and signature; and kills."""

import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from admin import Admin, environment
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

STILL = ("faketime", "-f", "2026-12-05 10:00:00")
"""A clock that stands, so that every run has the same moment."""
TABLE = """\
alpha,,server
beta,beta2.{domain},relay
gamma,,client,30
delta,,,90
epsilon,*.epsilon.{domain},server
"""
HOSTS = ("alpha", "beta", "gamma", "delta", "epsilon")


def shape(path: Path) -> bytes:
    """Return the signed part of a certificate, with what must differ put out."""
    found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    header, signed = found.tbs_certificate_bytes[:4], found.tbs_certificate_bytes[4:]
    assert header == b"\x30\x82" + len(signed).to_bytes(2, "big")
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    octets = found.serial_number.bit_length() // 8 + 1  # fewer, if zeros begin it: X.690, 8.3
    number = bytes((2, octets)) + found.serial_number.to_bytes(octets, "big")
    for part in (key, own, number):
        assert signed.count(part) == 1
        signed = signed.replace(part, b"")
    return signed


def issued(admin: Admin, *words: str) -> dict[str, bytes]:
    admin("cert", "issue", *words)
    return {path.name: shape(path) for path in admin.certs.glob("*-cert.pem") if path.name[:-9] in HOSTS}


@pytest.mark.parametrize("jobs", [(), ("--jobs", "2")], ids=["one process", "two"])
def test_a_batch_is_what_single_runs_are(hub: Admin, jobs: tuple[str, ...]) -> None:
    def tables(admin: Admin, *lines: str) -> tuple[str, ...]:
        return "--from", str(admin.write("hosts.csv", "".join(f"{line}\n" for line in lines)))

    still = replace(hub, prefix=STILL)
    domain = hub.json("status")["hub"].partition(".")[2]
    lines = TABLE.format(domain=domain).splitlines()
    other = still.copy(hub.root.parent / "other")
    batch = issued(still, *tables(still, *lines), *jobs)
    single: dict[str, bytes] = {}
    for line in lines:
        single = issued(other, *tables(other, line))
    assert batch == single
    assert len(batch) == len(HOSTS)


MANY = tuple(f"host{number}" for number in range(40))


def test_a_batch_that_is_killed_at_any_moment_is_explained_by_the_next_run(
    hub: Admin, tmp_path: Path
) -> None:
    """Whatever the moment is, and whether it is the run that is killed or all its processes."""
    words = ("cert", "issue", *MANY, "--jobs", "2")
    start = time.monotonic()
    hub.copy(tmp_path / "measured" / "root").behind("env")(*words)  # as those are started that are killed
    whole, dice = time.monotonic() - start, random.Random(18)
    for number in range(6):
        one = hub.copy(tmp_path / str(number) / "root")
        run = subprocess.Popen(
            one.command(*words),
            env=environment(**one.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(whole * dice.uniform(0.2, 1))
        (os.killpg if number % 2 else os.kill)(run.pid, signal.SIGKILL)
        run.wait()
        one("ca", "crl")
        assert "agree" in one("inventory", "check").out, number
        there = [host for host in MANY if (one.certs / f"{host}-cert.pem").exists()]
        assert all(map(one.is_pair, there))
        if missing := [host for host in MANY if host not in there]:
            one("cert", "issue", *missing)
        assert "agree" in one("inventory", "check").out
        assert all(map(one.is_pair, MANY))
