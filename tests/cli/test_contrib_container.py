"""The image of contrib/container, as far as it can be tried without a registry: steps, and what it says."""

import json
import re
import shlex
import subprocess
import tomllib
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path

import pytest
from admin import HUB, TOP, Admin

TEXT = (TOP / "contrib/container/Containerfile").read_text()
STEPS = dict(re.findall(r"^([A-Z]+) ((?:.*\\\n)*.*)", TEXT, re.MULTILINE))
SAID = re.sub(r"^#   ?", "", "".join(re.findall(r"^#.*\n", TEXT, re.MULTILINE)), flags=re.MULTILINE)
TYPED = re.findall(r"^(?:contrib/|podman |mkdir )(?:.*\\\n)*.*", SAID, re.MULTILINE)
APT = """#!/bin/sh
[ "$1" != install ] || [ -e "$4" ] || exit 100
echo "$*" >> "$SAID"
[ "$1" = update ] && touch /var/lib/apt/lists/some || :
"""
"""apt-get as far as it goes without a network; what is to be installed from a file has to be there."""


def package() -> str:
    """Name what contrib/debian/build makes."""
    source, version = re.match(r"(\S+) \((\S+)\)", (TOP / "contrib/debian/changelog").read_text()).groups()  # type: ignore[union-attr]
    assert "\nArchitecture: all\n" in (TOP / "contrib/debian/control").read_text()
    return f"{source}_{version}_all.deb"


def test_its_steps_are_these() -> None:
    assert list(STEPS) == ["FROM", "COPY", "RUN", "ENTRYPOINT", "CMD"]
    assert [line.split()[0] for line in TYPED] == ["contrib/debian/build", "podman", "mkdir", "podman"]
    assert (TOP / TYPED[0]).stat().st_mode & 0o100
    assert STEPS["FROM"] == "debian:13-slim"


def test_the_package_is_copied_installed_and_left_out(tmp_path: Path) -> None:
    """By the shell of this system, with directories of its own for /tmp and apt's lists."""
    source, target = STEPS["COPY"].split()
    assert (fnmatch(f"dist/{package()}", source), target) == (True, "/tmp/")
    said, places = tmp_path / "said", [tmp_path / "tmp", tmp_path / "lists"]
    for place in places:
        place.mkdir()
    (places[0] / package()).touch()
    stub = tmp_path / "bin/apt-get"
    stub.parent.mkdir()
    stub.write_text(APT)
    stub.chmod(0o755)
    path = Path("/run") / tmp_path.name
    binds = f'mkdir -p {path}; mount --bind {tmp_path} {path}; mount --bind "$1" /var/lib/apt/lists'
    script = f'{binds}; mount --bind "$2" /tmp; exec sh -euc "$3"'
    words = ("unshare", "--mount", "sh", "-euc", script, "sh", places[1], places[0])
    run = STEPS["RUN"].replace("\\\n", "")
    env = {"PATH": f"{path}/bin:/usr/bin:/bin", "SAID": f"{path}/said"}
    subprocess.run((*words, run), env=env, check=True)
    path.rmdir()
    update, install = said.read_text().splitlines()
    assert update == "update"
    assert install.startswith(f"install -y --no-install-recommends /tmp/{package()} ")
    assert [*places[0].iterdir(), *places[1].iterdir()] == []
    for name in install.split()[4:]:
        subprocess.run(("apt-cache", "show", name), check=True, capture_output=True)


def test_what_starts_is_the_program() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    scripts = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"]
    (program,) = json.loads(STEPS["ENTRYPOINT"])
    assert [f"/usr/bin/{name}" for name in scripts.values()] == [program]


@pytest.fixture
def outside(tmp_path: Path) -> Admin:
    made = Admin(tmp_path / "root")
    made.write("/etc/hostname", "0f3d9a5c1b7e\n", 0o644)  # as a container has one
    return made


def test_all_that_setup_writes_is_in_the_directories_that_stay(outside: Admin) -> None:
    settings = "".join(re.findall(r"^(?:\[.*|\w+ = .*)\n", SAID, re.MULTILINE))
    outside.configure(settings)
    words = shlex.split(TYPED[-1].replace("\\\n", ""))
    volumes = [word.partition(":") for before, word in pairwise(words) if before == "-v"]
    assert volumes
    assert all(there == here for there, _, here in volumes)
    typed = words[words.index("smtpcreds") + 1 :]
    assert typed == ["setup", HUB]
    assert "ready" in outside(*typed, "--no-passphrase")
    assert "maildroid" in outside("sasl", "list").out
    assert outside(*json.loads(STEPS["CMD"])).out.startswith("Usage: ")
    files = [f"/{path.relative_to(outside.root)}" for path in outside.root.rglob("*") if not path.is_dir()]
    kept = [file for file in files if any(file.startswith(f"{place}/") for place, _, _ in volumes)]
    assert "/etc/mail/sasldb2" in kept
    assert sorted(set(files) - set(kept)) == ["/etc/hostname"]
