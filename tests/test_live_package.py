"""The Debian package: dpkg-buildpackage, lintian, and dpkg on a host of the lab.

Debian 12 has older libraries than the package depends on, so those of the tests are put beside it here.
``contrib/debian/build`` and ``contrib/debian/try`` do the same with what a bare Debian 13 has.
"""

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import HUB, TOP
from lab import Host, Lab
from lab.msmtp import MSMTP

pytestmark = pytest.mark.live
SOURCE = (
    "smtpcreds",
    "man",
    "contrib",
    "README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "pyproject.toml",
)
LIBRARIES = sysconfig.get_path("purelib")
OF_A_CLIENT = "/etc/ssl/smtpcreds"
SECRETS = "/etc/mail /etc/sasldb2 /etc/smtpcreds /var/lib/smtpcreds"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with what dpkg-buildpackage makes of the checkout."""
    out = tmp_path_factory.mktemp("package")
    tree = out / "smtpcreds"
    tree.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SOURCE:
        if (TOP / name).is_file():
            shutil.copy(TOP / name, tree / name)
        else:
            shutil.copytree(TOP / name, tree / name, ignore=ignored)
    (tree / "contrib/debian").rename(tree / "debian")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(out), "LC_ALL": "C.UTF-8"}
    env |= {"DEB_BUILD_OPTIONS": "nocheck", "PYTHONPATH": LIBRARIES}
    done = subprocess.run(
        ("dpkg-buildpackage", "-us", "-uc", "-d", "-b"), cwd=tree, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return out


@pytest.fixture(scope="module")
def host(built: Path) -> Iterator[Host]:
    """A host on which dpkg has installed it."""
    with Lab() as lab:
        made = lab.host(HUB, MSMTP)
        package = next(built.glob("smtpcreds_*_all.deb"))
        shutil.copy(package, made.path("/var/lib/smtpcreds.deb"))
        made.write("/var/lib/dpkg/statoverride", "")  # of users that a host of the lab has not
        made.shell("dpkg -i --force-depends /var/lib/smtpcreds.deb 2>&1")
        version = made.run(
            ("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
        ).strip()
        with_libraries(made, f"/usr/local/lib/python{version}/dist-packages")
        yield made


def with_libraries(host: Host, place: str) -> None:
    """Let the host's Python find the libraries of the tests, and not the program under test beside them."""
    names = [name for name in os.listdir(LIBRARIES) if "smtpcreds" not in name and not name.endswith(".pth")]
    host.path("/usr/lib/libraries").mkdir()
    for name in names:
        host.path(f"/usr/lib/libraries/{name}").symlink_to(f"{LIBRARIES}/{name}")
    host.path(place).mkdir(parents=True, exist_ok=True)
    host.write(f"{place}/libraries.pth", "/usr/lib/libraries\n")


def test_lintian_finds_no_error_and_no_warning(built: Path) -> None:
    changes = next(built.glob("*.changes"))
    words = ("lintian", "--allow-root", "--fail-on", "error,warning", changes)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_and_unit_is_in_it(host: Host) -> None:
    listed = set(host.run(("dpkg", "-L", "smtpcreds")).split())
    pages = {f"/usr/share/man/man{page.suffix[1:]}/{page.name}.gz" for page in (TOP / "man").iterdir()}
    units = {
        f"/usr/lib/systemd/system/{unit.name}"
        for unit in (TOP / "contrib/systemd").glob("*.[ts]*")
        if unit.suffix
    }
    assert pages
    assert units
    assert pages | units <= listed
    assert not [path for path in listed if "wants/" in path], "timers wait for an administrator"


def test_an_upgrade_stops_no_timer_and_a_removal_does(built: Path) -> None:
    """Debhelper before version 13.11.8 looks for units below /lib only, where they are put here."""
    debian = built / "smtpcreds/debian"
    units = shutil.ignore_patterns("try", "examples")
    shutil.copytree(TOP / "contrib/systemd", debian / "smtpcreds/lib/systemd/system", ignore=units)
    words = ("make", "-f", "debian/rules", "override_dh_installsystemd")
    subprocess.run(words, cwd=debian.parent, check=True, capture_output=True)
    made = dict[str, str]()
    for path in (
        *debian.glob("smtpcreds.p*.debhelper"),
        *debian.glob(".debhelper/generated/smtpcreds/p*.service"),
    ):
        script = path.name.removeprefix("smtpcreds.").split(".")[0]
        made[script] = made.get(script, "") + path.read_text()
    assert "stop" not in made.get("preinst", "")
    timers = "'smtpcreds-renew.timer' 'smtpcreds-status.timer'"
    assert re.search(rf"= remove \].*deb-systemd-invoke stop {timers}", made["prerm"], re.DOTALL)
    assert "_dh_action=restart" in made["postinst"]
    assert f"deb-systemd-invoke $_dh_action {timers} " in made["postinst"]


def test_what_depends_on_is_what_pyproject_asks_for(built: Path) -> None:
    import tomllib

    package = next(built.glob("smtpcreds_*_all.deb"))
    field = subprocess.run(
        ("dpkg-deb", "-f", package, "Depends"), capture_output=True, text=True, check=True
    ).stdout
    found = {word.strip() for word in field.split(",")}
    asked = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in asked:
        name, _, lowest = requirement.partition(">=")
        if name != "libpass":  # Debian's passlib is another provider of the same module
            assert f"python3-{name} (>= {lowest})" in found
    assert "python3-passlib" in found


def test_a_hub_is_made_by_the_installed_command(host: Host) -> None:
    host.shell("cd / && smtpcreds --version")
    assert "ready" in host.run(("smtpcreds", "setup", HUB, "--no-passphrase"))
    assert "smtpcreds" not in host.run(
        ("/usr/bin/python3", "-Ic", "import os; print(os.listdir('/usr/lib/libraries'))")
    )
    assert "dist-packages" in host.run(
        ("/usr/bin/python3", "-Ic", "import smtpcreds; print(smtpcreds.__file__)")
    )
    host.shell("smtpcreds cert verify dmzmail && smtpcreds sasl list")


def test_the_shells_find_the_completions(host: Host) -> None:
    load = ". /usr/share/bash-completion/bash_completion; _comp_load smtpcreds || __load_completion smtpcreds"
    typed = "COMP_LINE='smtpcreds sasl a' COMP_POINT=16; _smtpcreds smtpcreds; echo \"${COMPREPLY[@]}\""
    assert "add" in host.run(("bash", "-c", f"{load}; {typed}"))
    assert (
        host.run(("zsh", "-c", 'autoload -U compinit; compinit -u -D; echo "$_comps[smtpcreds]"'))
        == "_smtpcreds\n"
    )
    assert host.run(("fish", "-c", 'complete -C "smtpcreds sasl a"')).startswith("add")


def test_purging_leaves_credentials_alone_and_says_so(host: Host) -> None:
    if not host.path("/etc/sasldb2").exists():
        host.run(("smtpcreds", "setup", HUB, "--no-passphrase"))
    host.shell(f"mkdir -p {OF_A_CLIENT} && touch {OF_A_CLIENT}/key.pem")
    digests = f"find {SECRETS} {OF_A_CLIENT} -type f -exec sha256sum {{}} + | sort"
    before = host.shell(digests)
    host.shell("dpkg -r smtpcreds 2>&1")
    said = host.shell("dpkg --purge smtpcreds 2>&1")
    assert "left alone: /var/lib/smtpcreds /etc/smtpcreds /etc/mail/certs" in said
    assert {"/etc/sasldb2", OF_A_CLIENT} <= set(said.split())
    assert host.shell(digests) == before
    assert not host.path("/usr/bin/smtpcreds").exists()
