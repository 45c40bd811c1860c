"""Passwords: generation, acceptance, the forms in which servers store them, logins that share them."""

from .chosen import MAX_PASSWORD, check_chosen, chosen_fault
from .cyrus import (
    cram_md5_secret,
    digest_md5_secret,
    is_cram_md5_of,
    is_digest_md5_of,
    is_plain_of,
    plain_secret,
)
from .dovecot import DOVECOT_SCHEMES, DOVECOT_SCRAM, dovecot_secret, dovecot_verifier, is_dovecot_of
from .generation import ALPHABET, MIN_BITS, generate, generate_words
from .logins import is_login_account, login_password_of
from .scram import (
    DEFAULT_ITERATIONS,
    MAX_ITERATIONS,
    MIN_ITERATIONS,
    SCRAM_MECHANISMS,
    ScramKeys,
    derive_scram,
    is_scram_of,
    parse_scram,
    scram_secret,
)

__all__ = [
    "ALPHABET",
    "DEFAULT_ITERATIONS",
    "DOVECOT_SCHEMES",
    "DOVECOT_SCRAM",
    "MAX_ITERATIONS",
    "MAX_PASSWORD",
    "MIN_BITS",
    "MIN_ITERATIONS",
    "SCRAM_MECHANISMS",
    "ScramKeys",
    "check_chosen",
    "chosen_fault",
    "cram_md5_secret",
    "derive_scram",
    "digest_md5_secret",
    "dovecot_secret",
    "dovecot_verifier",
    "generate",
    "generate_words",
    "is_cram_md5_of",
    "is_digest_md5_of",
    "is_dovecot_of",
    "is_login_account",
    "is_plain_of",
    "is_scram_of",
    "login_password_of",
    "parse_scram",
    "plain_secret",
    "scram_secret",
]
