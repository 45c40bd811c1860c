"""Libraries' parts that wait until they are used, and the end of a run that takes nothing apart."""

import subprocess
import sys

import pytest
from admin import environment

START = "import sys; from smtpcreds import put_off; put_off.begin(); put_off.begin()\n"


def told(code: str) -> str:
    """Run Python and return what it prints."""
    command = [sys.executable, "-c", START + code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout


THREADS = """
import threading
import socket
assert "gethostname" not in vars(socket)
gate, names = threading.Barrier(8), []
def used():
    gate.wait()
    names.append((socket.gethostname(), socket.AF_INET, socket.create_connection.__name__))
threads = [threading.Thread(target=used) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
import ssl
try: socket.nope
except AttributeError: print(len(names), len(set(names)), hasattr(socket, "nope"))
"""


def test_a_module_that_is_put_off_is_whole_for_every_thread() -> None:
    assert told(THREADS) == "8 1 False\n"


NAME = "from cryptography import x509; read = x509.Name.from_rfc4514_string; "
SIGN = (
    "from cryptography.hazmat.primitives import hashes; "
    "from cryptography.hazmat.primitives.asymmetric import ec; "
)
USES = {
    "from email.utils import parseaddr as f; assert 'calendar' not in sys.modules; print(f('A <b@c>'))": (
        "('A', 'b@c')"
    ),
    "import email.utils; print(email.utils.COMMASPACE.join('ab'))": "a, b",
    "import inspect; print(inspect.signature(lambda a: a))": "(a)",
    "import inspect; f = lambda: 1; f.__annotations__ = {'a': 'int'}; print(inspect.get_annotations(f))": (
        "{'a': 'int'}"
    ),
    "from inspect import get_annotations as f; C = type('C', (), {'__annotations__': {'a': 'int'}}); "
    "print(f(C), f(C, eval_str=True), f(C))": "{'a': 'int'} {'a': <class 'int'>} {'a': 'int'}",
    f"{NAME} print(read(r'CN=\\2c,O=b').rfc4514_string())": r"CN=\,,O=b",
    "from cryptography import x509; print(x509.RFC822Name('a@b.example').value)": "a@b.example",
    f"{SIGN} print(ec.ECDSA(hashes.SHA256(), deterministic_signing=True).deterministic_signing)": "True",
    "import tomllib; print(tomllib.loads('a = 1979-05-27'))": "{'a': datetime.date(1979, 5, 27)}",
    "import string; print(string.Template('$a$$').substitute(a=1))": "1$",
}


@pytest.mark.parametrize("use", USES)
def test_what_is_used_after_all_is_the_librarys(use: str) -> None:
    assert told(use) == USES[use] + "\n"


SSH = """
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
assert "bcrypt" not in sys.modules
key = ed25519.Ed25519PrivateKey.generate()
form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
line = key.public_key().public_bytes(*form)
print(serialization.load_ssh_public_key(line).public_bytes(*form) == line)
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificate
print(isinstance(SSHCertificate, type))
"""


def test_keys_of_ssh_are_read_once_they_are_asked_for() -> None:
    assert told(SSH) == "True\nTrue\n"


END = """
import atexit
class Left:
    def __del__(self): print("taken apart")
left = Left()
atexit.register(print, "at exit", flush=True)
sys.argv[1:] = {words}
from smtpcreds.__main__ import main
{before}
main()
"""


@pytest.mark.parametrize(
    ("words", "status"), [(["--version"], 0), (["nope"], 64), (["sasl", "list", "x"], 64)]
)
def test_a_run_ends_with_its_status_and_does_what_is_registered(words: list[str], status: int) -> None:
    command = [sys.executable, "-c", START + END.format(words=words, before="")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (status, "at exit")
    assert "taken apart" not in done.stdout


def test_a_run_waits_for_its_threads() -> None:
    waits = "import threading; main_one = threading.main_thread()\n"
    waits += "threading.Thread(target=lambda: (main_one.join(), print('done'))).start()"
    command = [sys.executable, "-c", START + END.format(words=["nope"], before=waits)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[:2]) == (64, ["done", "at exit"])
