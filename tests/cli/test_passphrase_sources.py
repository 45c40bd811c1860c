"""Where the CA passphrase may come from, through the program: each kind seals a key, and opens it."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from admin import PATIENCE, STATE, Admin, environment, peer
from desktop import session
from place import PLACE

CA = f"{STATE}/ca"
PASSPHRASE = "over the hills, and far away"


@pytest.fixture(scope="module")
def sealed_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Admin(tmp_path_factory.mktemp("sealed") / "root")
    program.configure()
    program("ca", "init", "--passphrase", "env:P", env={"P": PASSPHRASE})
    return program.root


@pytest.fixture
def sealed(sealed_tree: Path, tmp_path: Path) -> Admin:
    """An authority whose key is encrypted."""
    peer("cp", "-a", sealed_tree, tmp_path)
    return Admin(tmp_path / "root")


def issues(program: Admin, source: str, **more: object) -> None:
    ran = program.run("cert", "issue", "dmzmail", "--passphrase", source, **more)  # type: ignore[arg-type]
    assert ran.status == 0, ran.err
    assert PASSPHRASE not in ran.out + ran.err


def test_file(sealed: Admin) -> None:
    path = sealed.write("pass", PASSPHRASE + "\n")
    issues(sealed, f"file:{path}")
    path.chmod(0o640)
    said = sealed.refuses(77, "cert", "issue", "attic", "--passphrase", f"file:{path}")
    assert f"chmod 600 {path}" in said


def test_env(sealed: Admin) -> None:
    issues(sealed, "env:P", env={"P": PASSPHRASE})
    assert "env:Q: is not set" in sealed.refuses(66, "cert", "issue", "attic", "--passphrase", "env:Q")


def test_stdin(sealed: Admin) -> None:
    issues(sealed, "stdin:", stdin=PASSPHRASE.encode())


def test_fd(sealed: Admin) -> None:
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE.encode())
    os.close(writer)
    issues(sealed, f"fd:{reader}", fds=(reader,))
    os.close(reader)


def test_cmd(sealed: Admin) -> None:
    script = sealed.write("say", f"#!/bin/sh\necho '{PASSPHRASE}'\n", 0o700)
    issues(sealed, f"cmd:{script}")
    assert "failed with exit status 3" in sealed.refuses(
        69, "ca", "crl", "--passphrase", "cmd:sh -c 'exit 3'"
    )


GIVEN = """\
#!/bin/sh

env | cut -d= -f1 | sort > {here}/variables
ls -l /proc/$$/fd | sed -n 's/.* \\([0-9]*\\) -> .*/\\1/p' > {here}/open
readlink /proc/$$/fd/0 > {here}/input
echo '{passphrase}'
"""


def test_what_a_command_gets(sealed: Admin, tmp_path: Path) -> None:
    """Named variables, an empty input, our standard error, and no other descriptor of ours."""
    script = sealed.write("say", GIVEN.format(here=tmp_path, passphrase=PASSPHRASE), 0o700)
    mine = {"USER": "root", "PATH": os.environ["PATH"], "GNUPGHOME": "/g", "SECRET": "x", "BASH_ENV": "/x"}
    reader, writer = os.pipe()
    issues(sealed, f"cmd:{script}", env={**mine, "LD_LIBRARY_PATH": "/x"}, fds=(reader, writer))
    os.close(reader)
    os.close(writer)
    by_the_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    given = {*(tmp_path / "variables").read_text().split()} - by_the_shell
    assert given == {"PATH", "HOME", "USER", "GNUPGHOME", "LC_ALL"}
    of_the_shell = {"10", "255"}
    assert {*(tmp_path / "open").read_text().split()} - of_the_shell == {"0", "1", "2"}
    assert (tmp_path / "input").read_text() == "/dev/null\n"


def test_a_command_ends_with_the_run_that_waits_for_it(sealed: Admin, tmp_path: Path) -> None:
    """It would keep our standard error open, and who reads that waiting."""
    begun = tmp_path / "begun"
    script = sealed.write("say", f"#!/bin/sh\ntouch {begun}\nexec sleep 600\n", 0o700)
    words = sealed.command("cert", "issue", "dmzmail", "--passphrase", f"cmd:{script}")
    with subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True) as ran:
        while not begun.exists():
            assert ran.poll() is None
        ran.terminate()
        assert ran.communicate(timeout=PATIENCE)[1] == "smtpcreds: interrupted\n"
    assert ran.returncode == 130


def test_credential(sealed: Admin, tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir(0o700)
    (directory / "ca").write_text(PASSPHRASE)
    (directory / "ca").chmod(0o440)
    issues(sealed, "credential:ca", env={"CREDENTIALS_DIRECTORY": str(directory)})
    assert "LoadCredential=ca:PATH" in sealed.refuses(
        66, "cert", "issue", "attic", "--passphrase", "credential:ca"
    )


def test_the_configuration_names_a_source(sealed: Admin) -> None:
    path = sealed.write("pass", PASSPHRASE)
    sealed.configure(f'domain = "polkatistas.org"\n[ca]\npassphrase = "file:{path}"\n')
    sealed("cert", "issue", "dmzmail")


def test_a_keyring_that_protects_what_it_stores(sealed: Admin, tmp_path: Path) -> None:
    """GNOME's, over D-Bus, as on an administrator's desktop."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(0o700)
    sealed.env = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}
    store = f"import keyring; keyring.set_password('smtpcreds', 'ca', {PASSPHRASE!r})"
    python = sealed.command()[0]
    both = f'{python} -c "$1" && shift && "$@"'
    sealed.prefix = (*session(), "sh", "-c", both, "sh", store)
    issues(sealed, "keyring:smtpcreds/ca")


def test_a_keyring_in_clear_text_is_refused(sealed: Admin, tmp_path: Path) -> None:
    place = tmp_path / "alt"
    place.mkdir()
    packages = Path("/usr/lib/python3/dist-packages")
    for found in (packages / "keyrings", *packages.glob("keyrings.alt-*")):
        (place / found.name).symlink_to(found)
    env = {"PYTHONPATH": f"{PLACE}:{place}", "PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}
    said = sealed.refuses(69, "cert", "issue", "dmzmail", "--passphrase", "keyring:smtpcreds/ca", env=env)
    assert "no keyring here protects its entries (found: keyrings.alt.file.PlaintextKeyring)" in said
    said = sealed.refuses(69, "cert", "issue", "dmzmail", "--passphrase", "keyring:smtpcreds/ca")
    assert "no keyring here protects its entries" in said


def test_a_wrong_passphrase_is_one_line(sealed: Admin) -> None:
    for words in (("cert", "issue", "dmzmail"), ("ca", "crl"), ("ca", "rollover")):
        said = sealed.refuses(77, *words, "--passphrase", "env:P", env={"P": "under the hills"})
        assert said == f"smtpcreds: {sealed.path(CA)}/ca-key.pem: the passphrase does not open this key"


def test_without_source_and_terminal(sealed: Admin) -> None:
    said = sealed.refuses(77, "cert", "issue", "dmzmail")
    assert "is encrypted and no passphrase was given" in said
    assert "--passphrase SOURCE" in said


@pytest.mark.parametrize("typo", ["hunter2", "File:/x", "prompt", "file:", "generate:"])
def test_a_mistyped_source_is_not_repeated(sealed: Admin, typo: str) -> None:
    ran = sealed.run("cert", "issue", "dmzmail", "--passphrase", typo)
    assert ran.status == 64
    assert "hunter2" not in ran.err


def test_one_variable_serves_a_whole_set_up(smtpcreds: Admin) -> None:
    smtpcreds("setup", "dmzmail.polkatistas.org", "--passphrase", "env:P", env={"P": PASSPHRASE})
    assert b"ENCRYPTED" in smtpcreds.path(f"{CA}/ca-key.pem").read_bytes()


def test_the_key_is_never_open_to_others(sealed: Admin) -> None:
    assert stat.S_IMODE(sealed.path(f"{CA}/ca-key.pem").stat().st_mode) == 0o600


def test_no_secret_in_arguments_or_environment_of_children(sealed: Admin, tmp_path: Path) -> None:
    """What ps(1) would show of every process that was started."""
    log = tmp_path / "log"
    sealed.prefix = ("strace", "-f", "-qq", "-v", "-s", "4096", "-e", "trace=execve", "-o", str(log))
    hook = sealed.write("hook", "#!/bin/sh\nexec /bin/true\n", 0o700)
    path = sealed.write("pass", PASSPHRASE)
    sealed("ca", "crl", "--passphrase", f"file:{path}", "--reload", str(hook))
    started = [line for line in log.read_text().splitlines() if "execve(" in line and "= 0" in line]
    assert len(started) >= 3
    assert not [line for line in started if PASSPHRASE in line]


def test_the_keyring_library_is_loaded_for_keyring_only(sealed: Admin) -> None:
    code = (
        "import sys; sys.argv = ['smtpcreds', *sys.argv[1:]]\n"
        "from smtpcreds.cli import run\n"
        "status = run(); print('keyring' in sys.modules, status)"
    )
    command = [sealed.command()[0], "-c", code, "--root", str(sealed.root), "ca", "show"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines()[-1] == "False 0"
