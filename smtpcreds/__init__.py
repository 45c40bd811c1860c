"""Certificates and SMTP AUTH accounts for mail relays."""

__version__ = "0.1.0"
