"""Relay accounts: what an administrator does with them, whatever file they live in."""

from .book import AccountBook, Change, Entry
from .mechanisms import served

__all__ = ["AccountBook", "Change", "Entry", "served"]
