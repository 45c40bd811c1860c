"""Certificates and SMTP AUTH accounts for mail relays.

>>> import smtpcreds
>>> ca = smtpcreds.CA.create("polkatistas.org")
>>> pair = ca.issue("dmzmail.polkatistas.org")
>>> pair.certificate_pem.startswith(b"-----BEGIN CERTIFICATE-----")
True

Names are resolved when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import SmtpcredsError as SmtpcredsError
    from .library import Site as Site
    from .library import Transaction as Transaction
    from .memory import CA as CA
    from .memory import Pair as Pair
    from .model import Account as Account
    from .secret import Secret as Secret

__version__ = "0.1.0"

_HOMES = {
    "Account": "model",
    "CA": "memory",
    "Pair": "memory",
    "Secret": "secret",
    "Site": "library",
    "SmtpcredsError": "errors",
    "Transaction": "library",
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'smtpcreds' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
