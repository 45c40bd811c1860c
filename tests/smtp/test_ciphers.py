"""What lists of ciphers leave, by this host's OpenSSL."""

import pytest

from smtpcreds.smtp.ciphers import keys_served


@pytest.mark.parametrize("ciphers", ["NULL:@SECLEVEL=0", "aNULL:@SECLEVEL=0", "PSK", "NONSENSE", "3DES"])
def test_none_that_others_have(ciphers: str) -> None:
    assert keys_served(ciphers) == frozenset()


@pytest.mark.parametrize(
    ("ciphers", "keys"),
    [("HIGH:!aNULL", {"EC", "RSA"}), ("aRSA", {"RSA"}), ("ECDHE-ECDSA-AES128-GCM-SHA256", {"EC"})],
)
def test_kinds_of_key(ciphers: str, keys: set[str]) -> None:
    assert keys_served(ciphers) == keys
