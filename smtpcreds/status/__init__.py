"""How everything stands, on one screen: gathered once, then rendered in several forms."""

from .gather import gather
from .values import Status

__all__ = ["Status", "gather"]
