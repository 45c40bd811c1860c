"""Dovecot's own ``doveadm pw -t`` (Debian: dovecot-core) judges what is made for its passwd-file."""

import subprocess
import time

import pytest

from smtpcreds.errors import UsageError
from smtpcreds.passwords import DOVECOT_SCHEMES, dovecot_secret, is_dovecot_of
from smtpcreds.secret import Secret


def is_accepted(value: str, password: str) -> bool:
    command = ["doveadm", "-O", "pw", "-t", value]
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


@pytest.mark.parametrize("scheme", DOVECOT_SCHEMES)
def test_a_value_is_known_again_by_its_scheme_and_password(scheme: str) -> None:
    value = dovecot_secret(Secret("geheim"), scheme)
    assert is_dovecot_of(value, Secret("geheim"), scheme)
    assert not is_dovecot_of(value, Secret("Geheim"), scheme)
    assert not is_dovecot_of(value, Secret("geheim"), "PLAIN.b64" if scheme != "PLAIN.b64" else "ARGON2ID")
    assert not is_dovecot_of(f"{{{scheme}}}brass", Secret("geheim"), scheme)


def test_values_are_salted() -> None:
    assert dovecot_secret(Secret("geheim")) != dovecot_secret(Secret("geheim"))


def test_other_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match="SHA512-CRYPT"):
        dovecot_secret(Secret("geheim"), "BRASS")


@pytest.mark.parametrize(
    "value",
    [
        "{SHA512-CRYPT}$6$rounds=999999999$saltsaltsaltsalt$" + "a" * 86,
        "{ARGON2ID}$argon2id$v=19$m=4000000,t=4000,p=1$c29tZXNhbHRzb21lc2FsdA$" + "a" * 43,
        "{SCRAM-SHA-256}4000000000,c2FsdA==,c2FsdA==,c2FsdA==",
    ],
)
def test_a_value_of_years_or_gigabytes_is_not_tried(value: str) -> None:
    """One that another program put into the file is made anew."""
    began = time.process_time()
    assert not is_dovecot_of(value, Secret("geheim"), value[1 : value.index("}")])
    assert time.process_time() - began < 1
