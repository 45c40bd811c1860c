"""Which mechanisms are offered, and in which order."""

import pytest

from smtpcreds.errors import UsageError
from smtpcreds.mta.sasl_conf import offer


def test_the_strongest_come_first_and_plain_ones_last() -> None:
    assert offer() == ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5")
    assert offer(["login", "cram-md5", "SCRAM-SHA-1"]) == ("SCRAM-SHA-1", "CRAM-MD5", "LOGIN")
    assert offer(["CRAM-MD5"], plaintext=True, external=True) == ("EXTERNAL", "CRAM-MD5", "PLAIN", "LOGIN")


@pytest.mark.parametrize("name", ["NTLM", "ANONYMOUS", "CRAM MD5", ""])
def test_others_are_refused(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        offer([name])
    assert "SCRAM-SHA-256" in str(refusal.value.hint)
