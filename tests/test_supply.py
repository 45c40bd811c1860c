"""What is installed: pinned with hashes, from no named place, and what an isolated script obeys."""

import json
import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from admin import TOP, peer
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from place import PLACE

from smtpcreds import __version__

PINNED = re.compile(r"^([a-z0-9.-]+)==(\S+) \\$", re.MULTILINE)
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *(one for some in OPTIONAL.values() for one in some)]


def pins(name: str) -> dict[str, str]:
    return dict(PINNED.findall((TOP / "tests" / name).read_text()))


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.mark.parametrize("name", ["constraints.txt", "lowest.txt"])
def test_every_pin_has_a_hash_and_no_place(name: str) -> None:
    text = (TOP / "tests" / name).read_text()
    entries = re.split(r"\n(?=[a-z])", text.split("\n\n")[-1])
    assert len(pins(name)) > 10
    for entry in (part for part in entries if not part.startswith("#")):
        assert re.match(r"[a-z0-9.-]+==\S+ \\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+", entry), entry
    assert not re.search(r"://|--index|--find|@ |localhost", text)


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_is_required_is_pinned(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found, requirement
    assert version(pins("constraints.txt")[found[1]]) >= version(found[2])


@pytest.mark.parametrize(
    ("script", "place", "pinned"), [("run", ".venv", "constraints"), ("lowest", ".lowest", "lowest")]
)
def test_nothing_is_installed_that_is_not_pinned(script: str, place: str, pinned: str) -> None:
    text = (TOP / "tests" / script).read_text().replace("\\\n", " ")
    installers = re.findall(r"^.*\b(?:pip|uv\b|easy_install|conda).*$", text, re.MULTILINE)
    assert installers == [
        f"again {place}/bin/pip install -q --require-hashes -r tests/{pinned}.txt",
        f"{place}/bin/pip install -q --no-deps --no-build-isolation .",
    ]


def test_what_is_installed_here_is_what_is_pinned() -> None:
    """As whoever runs these tests did it."""
    beside = {"pip", "setuptools", "smtpcreds"}
    found = {canonicalize_name(one.name): one.version for one in distributions()}
    assert {name: number for name, number in found.items() if name not in beside} == pins("constraints.txt")


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_the_lowest_versions_are_those_of_the_project(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)>=([\d.]+)", requirement)
    assert found
    if found[1] == "libpass":
        assert pins("lowest.txt")["passlib"] == "1.7.4", "in its place, as in Debian"
        return
    lowest = version(pins("lowest.txt")[found[1]])
    assert lowest[: len(version(found[2]))] == version(found[2])


LINTERS = re.compile(r"mypy|ruff|types-")


@pytest.mark.parametrize("requirement", OPTIONAL["test"])
def test_the_lowest_versions_have_what_the_tests_import(requirement: str) -> None:
    found = re.match(r"([a-z0-9-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found, requirement
    assert LINTERS.match(requirement) or version(pins("lowest.txt")[found[1]]) >= version(found[2])


def test_the_bill_of_materials_names_what_runs_as_it_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    peer(sys.executable, TOP / "contrib/sbom", path)
    bom = json.loads(path.read_text())
    schema = JsonStrictValidator(SchemaVersion.V1_6)
    assert schema.validate_str(json.dumps(bom)) is None
    assert schema.validate_str(json.dumps({**bom, "components": [{"name": "click"}]})) is not None
    assert bom["metadata"]["component"]["version"] == __version__
    pinned = pins("constraints.txt")
    found = {canonicalize_name(one["name"]): one["version"] for one in bom["components"]}
    assert found == {name: pinned[name] for name in found}
    at_run_time = [
        *PROJECT["dependencies"],
        *(one for name in ("age", "dns", "lmdb", "pkcs11", "postgresql") for one in OPTIONAL[name]),
    ]
    named = {canonicalize_name(Requirement(text).name) for text in at_run_time}
    (direct,) = (one["dependsOn"] for one in bom["dependencies"] if one["ref"] == "root-component")
    assert {text.partition("==")[0] for text in direct} == named
    leads_to = {ref for one in bom["dependencies"] for ref in one.get("dependsOn", ())}
    assert leads_to == {one["bom-ref"] for one in bom["components"]}
    assert "pytest" not in found


@pytest.mark.parametrize(
    ("python", "library", "told"),
    [
        (sys.executable, "lmdb", f"{sys.executable} -m pip install lmdb"),
        ("/usr/bin/python3", "psycopg", "apt-get install python3-psycopg\n"),
        (
            *("/usr/bin/python3", "pyrage"),
            "/usr/bin/python3 -m pip install --user --break-system-packages pyrage",
        ),
    ],
)
def test_a_library_that_is_lacking_is_installed_for_the_python_that_lacks_it(
    python: str, library: str, told: str
) -> None:
    code = f"from smtpcreds.extras import how_to_install; print(how_to_install({library!r}))"
    assert peer(python, "-c", code, env={"PYTHONPATH": str(PLACE)}).startswith(told)


TOKEN = "pkcs11:token=relays?module-path=/usr/lib/nowhere.so"


@pytest.mark.parametrize(
    ("system", "libpq", "age", "token", "library"),
    [
        (
            "debian-13",
            "apt-get install libpq5",
            "apt-get install age",
            "apt-get install softhsm2 or apt-get install opensc or apt-get install ykcs11",
            "/usr/lib/softhsm/libsofthsm2.so",
        ),
        (
            "fedora-42",
            "dnf install libpq",
            "dnf install age",
            "dnf install softhsm or dnf install opensc or dnf install yubico-piv-tool",
            "/usr/lib64/pkcs11/libsofthsm2.so",
        ),
        (
            "alpine-3.22",
            "apk add libpq",
            "apk add age",
            "apk add softhsm or apk add opensc or apk add yubico-piv-tool-libs",
            "/usr/lib/softhsm/libsofthsm2.so",
        ),
        (
            "arch",
            "pacman -S postgresql-libs",
            "pacman -S age",
            "pacman -S softhsm or pacman -S opensc or pacman -S yubico-piv-tool",
            "/usr/lib/pkcs11/libsofthsm2.so",
        ),
        (
            "freebsd-14",
            "",
            "pkg install age",
            "pkg install softhsm2 or pkg install opensc or pkg install yubico-piv-tool",
            "/usr/local/lib/softhsm/libsofthsm2.so",
        ),
        ("plan-9", "", "", "", "/usr/lib/softhsm/libsofthsm2.so"),
    ],
)
def test_what_is_lacking_is_in_a_package_of_the_system_that_lacks_it(
    tmp_path: Path, system: str, libpq: str, age: str, token: str, library: str
) -> None:
    release = tmp_path / "os-release"
    known = TOP / "tests/systems" / f"{system}.os-release"
    release.write_text(known.read_text() if known.exists() else "ID=plan9\n")
    code = (
        "import sys\nsys.modules.update(psycopg=None, pyrage=None)\n"
        "from smtpcreds import pkcs11, postgres\nfrom smtpcreds.bundle import archive\n"
        "from smtpcreds.errors import UnavailableError\n"
        "accounts = postgres.connected(postgres.parse_url('postgresql://hub/mail'))\n"
        f"token = pkcs11.KeyUri.parse({TOKEN!r})\n"
        "for lacking in (accounts.__enter__, archive.check_available, lambda: pkcs11.check(token)):\n"
        "    try: lacking()\n    except UnavailableError as error: print(error.hint)\n"
    )
    beside = tmp_path / "usr"
    (beside / library.removeprefix("/usr/")).parent.mkdir(parents=True)
    (beside / library.removeprefix("/usr/")).touch()
    mounts = 'mount -t overlay none -o lowerdir="$2":/usr /usr; mount --bind "$1" /etc/os-release'
    there = ("unshare", "--mount", "sh", "-c", f'{mounts}; shift 2; exec "$@"', "sh", release, beside)
    found = peer(*there, sys.executable, "-c", code, env={"PYTHONPATH": str(PLACE)}).splitlines()
    ends = (f"libpq of the system{libpq and f' ({libpq})'}", f"the program age{age and f' ({age})'} do it: ")
    assert found[0].endswith(ends[0])
    assert ends[1] in found[1]
    others, package = token and f"; there is {library}", token and f" ({token})"
    assert found[2] == f"correct module-path{others}, or install it{package}"
    assert len(found) == 3


def test_nobody_is_told_to_install_what_has_our_name_in_an_index() -> None:
    texts = [
        *TOP.glob("smtpcreds/**/*.py"),
        *TOP.glob("man/*"),
        *TOP.glob("contrib/**/*.*"),
        TOP / "README.md",
    ]
    assert not [path for path in texts if re.search(r"pip install [^\n`]*\bsmtpcreds\b", path.read_text())]
