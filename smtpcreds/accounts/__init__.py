"""Relay accounts: what an administrator does with them, whatever file they live in."""

from .book import AccountBook, Change
from .chosen import check_chosen_secret
from .entries import Entry, Listing
from .mechanisms import served

__all__ = ["AccountBook", "Change", "Entry", "Listing", "check_chosen_secret", "served"]
