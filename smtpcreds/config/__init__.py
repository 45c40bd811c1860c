"""What the administrator wants (smtpcreds.toml), what this host is called, and where things lie."""

from .settings import (
    DEFAULT_PATH,
    MAX_DAYS,
    TABLES,
    CaSettings,
    CertSettings,
    MtaSettings,
    SaslSettings,
    Settings,
    parse_settings,
)
from .site import Site

__all__ = [
    "DEFAULT_PATH",
    "MAX_DAYS",
    "TABLES",
    "CaSettings",
    "CertSettings",
    "MtaSettings",
    "SaslSettings",
    "Settings",
    "Site",
    "parse_settings",
]
