import subprocess
import sys
from pathlib import Path

HEAVY = {
    "passlib",
    "keyring",
    "subprocess",
    "ctypes",
    "hashlib",
    "hmac",
    "secrets",
    "random",
    "shlex",
    "termios",
}


def loaded_after(code: str) -> set[str]:
    script = f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    return set(done.stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_after("import smtpcreds.passwords, smtpcreds.sources") & HEAVY == set()


def test_the_common_path_stays_light() -> None:
    common = "from smtpcreds.passwords import *; check_chosen(generate())"
    assert loaded_after(common) & HEAVY == set()


def test_this_test_can_fail() -> None:
    assert "hashlib" in loaded_after("import hashlib")
