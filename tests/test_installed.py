"""What is built is what runs: sdist and wheel, the wheel installed away from the checkout."""

import grp
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import TOP, peer
from place import PLACE

import smtpcreds

SHARED = (
    "man/man1/smtpcreds.1",
    "man/man5/smtpcreds.toml.5",
    "man/man7/smtpcreds-symptoms.7",
    "bash-completion/completions/smtpcreds",
    "zsh/site-functions/_smtpcreds",
    "fish/vendor_completions.d/smtpcreds.fish",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with both archives, made by the build system of pyproject.toml."""
    out = tmp_path_factory.mktemp("built")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", out], cwd=TOP, check=True)
    return out


@pytest.fixture(scope="module")
def home(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it needs is that of the tests, behind it on the path."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip: list[str | Path] = [
        home / "bin/python",
        "-I",
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
    ]
    clean = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": "/dev/null"}
    subprocess.run([*pip, next(built.glob("*.whl"))], check=True, env=clean, cwd="/")
    packages = next((home / "lib").glob("python3*/site-packages"))
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def test_the_tests_are_of_what_is_installed_where_that_is_so() -> None:
    """In the process of the tests (``python -m pytest`` imports the checkout), and in its children."""
    packages = Path(sysconfig.get_path("purelib"))
    place = packages if (packages / "smtpcreds/__init__.py").exists() else TOP
    assert place == PLACE
    code = "import smtpcreds.cli.framework; print(smtpcreds.__file__)"
    assert peer(sys.executable, "-c", code).strip() == f"{place}/smtpcreds/__init__.py"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=TOP).startswith(str(place))


def typed(home: Path, *words: str) -> str:
    """Type a command of the installed program, in a directory that has nothing of ours."""
    clean = {"PATH": f"{home}/bin:/usr/bin:/bin", "HOME": str(home), "MANPAGER": "cat", "MANWIDTH": "80"}
    done = subprocess.run(words, capture_output=True, text=True, env=clean, cwd=home.parent, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_installed_program_is_the_one_that_runs(home: Path) -> None:
    where = typed(home, "python", "-c", "import smtpcreds; print(smtpcreds.__file__, smtpcreds.__version__)")
    path, version = where.split()
    assert path.startswith(str(home))
    assert typed(home, "smtpcreds", "--version").split()[-1] == version


def test_it_obeys_nothing_of_the_environment(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('not ours')\n")
    (tmp_path / "smtpcreds.py").write_text("print('not ours')\n")
    link = tmp_path / "bin/smtpcreds"
    link.parent.mkdir()
    link.symlink_to(home / "bin/smtpcreds")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONINSPECT": "1", "PATH": "/usr/bin:/bin"}
    program, command = home / "bin/smtpcreds", (home / "bin/python", "-m", "smtpcreds")

    def said(*words: str | Path) -> str:
        return subprocess.run(
            [*words, "--version"], env=env, capture_output=True, text=True, cwd=tmp_path
        ).stdout

    assert "not ours" in said(*command)
    assert said(program) == said(link) == f"smtpcreds {smtpcreds.__version__}\n"
    hint = subprocess.run([link, "ca", "shwo"], env=env, capture_output=True, text=True, cwd=tmp_path).stderr
    assert f"hint: {link} ca --help" in hint


@pytest.fixture
def user_home(built: Path) -> Iterator[Path]:
    """A home that root alone can change, with what ``pip install --user`` of Debian's Python puts there."""
    with tempfile.TemporaryDirectory() as name:
        words = ("install", "-q", "--user", "--no-deps", "--no-index", "--no-warn-script-location")
        env = {"PATH": "/usr/bin:/bin", "HOME": name, "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        wheel = next(built.glob("*.whl"))
        subprocess.run(["/usr/bin/python3", "-m", "pip", *words, wheel], check=True, env=env, cwd=name)
        yield Path(name)


def by_hand(program: Path, **env: str) -> tuple[int, str]:
    done = subprocess.run(
        [program, "--version"], env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True, cwd="/"
    )
    return done.returncode, done.stdout + done.stderr


def test_an_installation_of_a_user_runs_and_obeys_no_environment(user_home: Path, tmp_path: Path) -> None:
    (tmp_path / "smtpcreds.py").write_text("print('not ours')\n")
    ours = user_home / ".local/bin/smtpcreds"
    told = (0, f"smtpcreds {smtpcreds.__version__}\n")
    assert by_hand(ours) == by_hand(ours, HOME="/nonexistent", PYTHONPATH=str(tmp_path)) == told
    link = tmp_path / "smtpcreds"
    link.symlink_to(ours)
    assert by_hand(link) == told


def test_an_installation_that_another_user_can_change_does_not_run(user_home: Path) -> None:
    ours = user_home / ".local/bin/smtpcreds"
    for place in (user_home, user_home / ".local/lib", next(user_home.glob(".local/lib/*/*/smtpcreds"))):
        place.chmod(0o777)
        hint = f"chmod go-w {place}"
        assert by_hand(ours) == (77, f"smtpcreds: {place}: other users can write there\n  hint: {hint}\n")
        place.chmod(0o755)
        os.chown(place, 4711, 4711)
        status, said = by_hand(ours)
        assert (status, f"smtpcreds: {place}: belongs to another user\n" in said) == (77, True)
        os.chown(place, 0, 0)


def test_an_installation_that_another_user_can_add_to_does_not_run(user_home: Path) -> None:
    """Where the sticky bit keeps him from taking names away, a library of his own would be found first."""
    ours, packages = user_home / ".local/bin/smtpcreds", next(user_home.glob(".local/lib/*/site-packages"))
    user_home.chmod(0o1777)
    assert by_hand(ours)[0] == 0
    for place in (packages, packages / "smtpcreds"):
        place.chmod(0o1777)
        assert by_hand(ours)[0] == 77, place
        place.chmod(0o755)


def test_a_group_of_nobody_else_may_change_an_installation(user_home: Path) -> None:
    """Users of Debian 13 have umask 002, and a group of their own."""
    ours, libraries = user_home / ".local/bin/smtpcreds", user_home / ".local/lib"
    libraries.chmod(0o775)
    assert by_hand(ours)[0] == 0
    for uid, gid, mode in ((0, 4711, 0o775), (0, grp.getgrnam("mail").gr_gid, 0o775), (0, 0, 0o777)):
        os.chown(libraries, uid, gid)
        libraries.chmod(mode)
        assert by_hand(ours)[0] == 77
    os.chown(libraries, 0, 0)
    libraries.chmod(0o755)


def test_an_installation_of_another_python_is_one_line(user_home: Path) -> None:
    libraries = user_home / ".local/lib"
    next(libraries.iterdir()).rename(libraries / "python3.99")
    status, said = by_hand(user_home / ".local/bin/smtpcreds")
    assert (status, said.splitlines()[0]) == (69, "smtpcreds: /usr/bin/python3: No module named 'smtpcreds'")
    assert "  hint: " in said
    assert "Traceback" not in said


def test_an_authority_a_certificate_and_an_account(home: Path) -> None:
    def run(*words: str) -> str:
        return typed(home, "smtpcreds", "--root", "root", *words)

    run("ca", "init", "--no-passphrase", "--permit", "polkatistas.org")
    run("cert", "issue", "dmzmail.polkatistas.org")
    run("sasl", "add", "maildroid", "--realm", "polkatistas.org")
    assert "dmzmail.polkatistas.org" in run("cert", "list")
    assert len([*(home.parent / "root/etc/mail/certs").glob("dmzmail*-cert.pem")]) == 1


def test_pages_and_completion_are_where_they_are_looked_for(home: Path) -> None:
    for path in SHARED:
        assert (home / "share" / path).exists(), path
    assert "certificates and SMTP AUTH accounts" in typed(home, "man", "smtpcreds")
    assert typed(home, "man", "-w", "smtpcreds-ca").strip() == f"{home}/share/man/man1/smtpcreds-ca.1"


def test_the_wheel_says_what_is_so(built: Path) -> None:
    wheel = zipfile.ZipFile(next(built.glob("*.whl")))
    name = next(name for name in wheel.namelist() if name.endswith("METADATA"))
    metadata = wheel.read(name).decode()
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "smtpcreds/py.typed" in wheel.namelist()


def test_the_source_archive_has_what_a_build_and_the_tests_need(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert {name for name in files.splitlines() if not name.startswith(".")} <= names
