import math
import string
from collections import Counter
from itertools import pairwise

import cryptography
import pytest

from smtpcreds.errors import PasswordRefusedError, UnavailableError
from smtpcreds.passwords import (
    ALPHABET,
    check_chosen,
    dovecot_secret,
    generate,
    generate_words,
    is_dovecot_of,
)
from smtpcreds.passwords.generation import _below, _words


def entropy_of(length: int) -> float:
    return 2 * math.log2(62) + (length - 2) * math.log2(66)


@pytest.mark.parametrize("bits", [128, 129, 160, 256, 4096])
def test_length_is_the_least_that_has_the_bits(bits: int) -> None:
    length = len(generate(bits))
    assert entropy_of(length) >= bits > entropy_of(length - 1)


def test_default_is_27_characters() -> None:
    assert len(generate()) == 27


def test_every_character_occurs_and_edges_are_alphanumeric() -> None:
    made = [generate().reveal().decode() for _ in range(500)]
    assert set("".join(made)) == set(ALPHABET) == {*string.ascii_letters, *string.digits, *"-_.~"}
    assert {text[0] for text in made} | {text[-1] for text in made} == {*string.ascii_letters, *string.digits}
    assert len(set(made)) == 500


@pytest.mark.parametrize("limit", [1, 2, 62, 66, 7776, 65536])
def test_random_numbers_stay_below_the_limit(limit: int) -> None:
    assert all(0 <= _below(limit) < limit for _ in range(300))


def test_random_numbers_are_even() -> None:
    # Chi-squared, 65 degrees of freedom: a bias by modulo 128 or 256 gives hundreds; 150 has p < 1e-8.
    counts = Counter(_below(66) for _ in range(6600))
    assert sum((counts[value] - 100) ** 2 / 100 for value in range(66)) < 150


@pytest.mark.parametrize("bits", [0, 127, 4097])
def test_bits_outside_the_limits_are_refused(bits: int) -> None:
    with pytest.raises(PasswordRefusedError, match=r"128 to 4096"):
        generate(bits)


def test_words() -> None:
    text = generate_words(12, "_").reveal().decode()
    assert len(text.split("_")) == 12
    assert set(text.split("_")) <= set(_words())
    check_chosen(generate_words())


def test_no_word_begins_another_so_that_hyphens_inside_words_cost_no_entropy() -> None:
    words = sorted(_words())
    assert len(set(words)) == 7776
    assert not [pair for pair in pairwise(words) if pair[1].startswith(pair[0])]


@pytest.mark.parametrize(("count", "separator"), [(9, "-"), (10, ""), (10, " "), (10, ":"), (10, "--")])
def test_words_refused(count: int, separator: str) -> None:
    with pytest.raises(PasswordRefusedError):
        generate_words(count, separator)


def test_argon2id_is_made_or_what_it_needs_is_said() -> None:
    """Run by tests/lowest, too, whose cryptography does not know it."""
    secret = generate()
    if int(cryptography.__version__.partition(".")[0]) >= 45:
        assert is_dovecot_of(dovecot_secret(secret, "ARGON2ID"), secret, "ARGON2ID")
        return
    assert not is_dovecot_of("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c29t$AAAA", secret, "ARGON2ID")
    with pytest.raises(UnavailableError, match=r"needs release 45\.0 of Python's cryptography"):
        dovecot_secret(secret, "ARGON2ID")
