"""Journeys: several use cases in one go."""

from .hub import Hub, Part, Secrets, hub, plan_hub

__all__ = ["Hub", "Part", "Secrets", "hub", "plan_hub"]
