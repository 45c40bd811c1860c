"""Credentials to the places where mail programs look."""

from .auth_info import plan_auth_info, refuse_auth_info

__all__ = ["plan_auth_info", "refuse_auth_info"]
