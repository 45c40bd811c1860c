"""Relay accounts: what an administrator does with them, whatever file they live in."""

from .book import AccountBook, Change, Entry
from .chosen import check_chosen_secret
from .mechanisms import served

__all__ = ["AccountBook", "Change", "Entry", "check_chosen_secret", "served"]
