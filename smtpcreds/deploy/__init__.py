"""Credentials to the places where mail programs look."""

from .auth_info import refuse_auth_info, write_auth_info

__all__ = ["refuse_auth_info", "write_auth_info"]
