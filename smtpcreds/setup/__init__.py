"""Journeys: several use cases in one go."""

from .hub import Hub, Secrets, hub
from .plan import Part, plan_hub

__all__ = ["Hub", "Part", "Secrets", "hub", "plan_hub"]
