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
    from . import errors as errors
    from .deploy.options import RenderOptions as RenderOptions
    from .errors import SmtpcredsError as SmtpcredsError
    from .library.accounts import AccountDatabase as AccountDatabase
    from .library.site import Site as Site
    from .library.site import Transaction as Transaction
    from .memory import CA as CA
    from .memory import Pair as Pair
    from .model import Account as Account
    from .model import Change as Change
    from .model import Credential as Credential
    from .model import Finding as Finding
    from .model import Severity as Severity
    from .secret import Secret as Secret

__version__ = "0.1.0"

_HOMES = {
    "Account": "model",
    "AccountDatabase": "library.accounts",
    "CA": "memory",
    "Change": "model",
    "Credential": "model",
    "Finding": "model",
    "Pair": "memory",
    "RenderOptions": "deploy.options",
    "Secret": "secret",
    "Severity": "model",
    "Site": "library.site",
    "SmtpcredsError": "errors",
    "Transaction": "library.site",
}

__all__ = [*_HOMES, "errors", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    from importlib import import_module

    if name == "errors":
        return import_module(".errors", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'smtpcreds' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
