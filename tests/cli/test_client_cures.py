"""What a client host is told to do can be typed there: its certificates come from its hub."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from admin import CERTS, HUB, Admin
from cures import commands
from place import PLACE

from .pulling import fetched
from .writing import SSH_KEY

HOST = "attic.polkatistas.org"
LOOKS = (
    *(("audit",), ("inventory", "check"), ("status",), ("cert", "verify", HOST)),
    *(("cert", "renew", "--due"), ("cert", "issue", HOST), ("ca", "show"), ("ca", "crl")),
)
_ELSEWHERE = re.compile(r"on the hub: [^;]*; (?:[^;]*; )?(?:then here: )?")
SSH = f"""\
#!/bin/sh
exec env PYTHONPATH={PLACE} {sys.executable} -m smtpcreds --root {{root}} bundle {HOST} --serve
"""


@pytest.fixture
def attic(hub: Admin, tmp_path: Path) -> Admin:
    """A host with a name, and nothing else; its ssh goes to the hub."""
    made = Admin(tmp_path / "attic")
    made.write("/etc/hostname", "attic\n", 0o644)
    made.write("/etc/mailname", f"{HOST}\n", 0o644)
    made.write("bin/ssh", SSH.format(root=hub.root), 0o755)
    made.env = {"PATH": f"{made.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return made


@pytest.fixture
def fetching(hub: Admin, attic: Admin) -> Admin:
    hub("bundle", "attic", "--mta", "msmtp", "--authorize", hub.write("key.pub", SSH_KEY, 0o644))
    attic("setup", "--client", attic.write("attic.tar", fetched(hub)))
    return attic


@pytest.fixture
def by_hand(hub: Admin, attic: Admin) -> Admin:
    hub("bundle", "attic", "--mta", "msmtp", "-o", attic.directory / "attic.tar")
    attic("setup", "--client", attic.directory / "attic.tar")
    return attic


def without_key(host: Admin) -> Admin:
    host.path(f"{CERTS}/attic-key.pem").unlink()
    return host


def with_another_key(host: Admin) -> Admin:
    other = Admin(host.directory / "other")
    other("ca", "init", "--no-passphrase")
    other("cert", "issue", HOST)
    host.write(f"{CERTS}/attic-key.pem", other.path(f"{CERTS}/{HOST}-key.pem").read_bytes())
    return host


def without_certificate(host: Admin) -> Admin:
    host.path(f"{CERTS}/attic-cert.pem").unlink()
    return host


def without_authority(host: Admin) -> Admin:
    host.path(f"{CERTS}/cacert.pem").unlink()
    return host


def late_without_authority(host: Admin) -> Admin:
    return late(without_authority(host))


def late(host: Admin) -> Admin:
    return host.at("300 days")


def too_late(host: Admin) -> Admin:
    return host.at("370 days")


FAULTS = (
    without_key,
    with_another_key,
    without_certificate,
    late,
    too_late,
    without_authority,
    late_without_authority,
)


def cures(host: Admin) -> Iterator[str]:
    """Yield what every command that looks says is to be done."""
    for words in LOOKS:
        ran = host.run(*words)
        yield from re.findall(
            r"^\s+(?:cure: |hint: )?((?:on the hub: )?(?:/etc/)?smtpcreds.*)$", ran, re.MULTILINE
        )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scene", ["fetching", "by_hand"])
def test_no_cure_needs_an_authority(
    scene: str, fault: Callable[[Admin], Admin], request: pytest.FixtureRequest
) -> None:
    host = fault(request.getfixturevalue(scene))
    found = list(cures(host))
    assert found
    for cure in found:
        here = [" ".join(words) for words in commands(_ELSEWHERE.sub("", cure))]
        allowed = r"setup --client |mta |audit|cert verify|inventory"
        assert all(re.match(allowed, words) for words in here), cure


def test_probe_without_cacert_names_the_bundle(by_hand: Admin) -> None:
    said = without_authority(by_hand).refuses(66, "probe", f"smtp://{HUB}")
    again = f"smtpcreds bundle {HOST} --new-key --force"
    assert f"hint: on the hub: {again}; then here: smtpcreds setup --client BUNDLE --force" in said


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_host_is_told_that_fetches_its_bundles_helps(
    fetching: Admin, fault: Callable[[Admin], Admin]
) -> None:
    host = fault(fetching)
    told = [
        words for cure in cures(host) for words in commands(_ELSEWHERE.sub("", cure)) if words[0] == "setup"
    ]
    assert told[0][:3] == ["setup", "--client", f"ssh://smtpcreds@{HUB}"]
    host(*(word for word in told[0] if word != "--run"))  # which is for the host itself, not for another root
    assert "CERT0" not in host.run("audit").out.replace("CERT024", "")
    assert "ok" in host("cert", "verify", HOST)
