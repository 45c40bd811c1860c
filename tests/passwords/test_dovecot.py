"""Dovecot's own ``doveadm pw -t`` (Debian: dovecot-core) judges what is made for its passwd-file."""

import subprocess

import pytest

from smtpcreds.errors import UsageError
from smtpcreds.passwords import DOVECOT_SCHEMES, dovecot_secret
from smtpcreds.secret import Secret


def is_accepted(value: str, password: str) -> bool:
    command = ["doveadm", "-c", "/dev/null", "pw", "-t", value]
    done = subprocess.run(command, input=f"{password}\n".encode(), capture_output=True, check=False)
    assert done.returncode == 0 or b"Password mismatch" in done.stderr, done
    return done.returncode == 0


@pytest.mark.parametrize("scheme", DOVECOT_SCHEMES)
@pytest.mark.parametrize("password", ["geheim", "pässwörd", "x" * 200])
def test_dovecot_accepts_the_right_password_only(scheme: str, password: str) -> None:
    value = dovecot_secret(Secret(password), scheme)
    assert value.startswith(f"{{{scheme}}}")
    assert is_accepted(value, password)
    assert not is_accepted(value, password + "x")


def test_values_are_salted() -> None:
    assert dovecot_secret(Secret("geheim")) != dovecot_secret(Secret("geheim"))


def test_other_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match="SHA512-CRYPT"):
        dovecot_secret(Secret("geheim"), "ARGON2ID")
