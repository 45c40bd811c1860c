"""dovecot.conf, as far as it is checked: TLS files and whether passwords need TLS; settings of any depth.

``!include`` is followed by whoever reads the files; settings that hold for one protocol or address only are
taken as if they held for all.
"""

import re
from dataclasses import dataclass

_SETTING = re.compile(r"\s*([\w/]+)\s*=\s*(.*?)\s*")


@dataclass(frozen=True, slots=True)
class DovecotConf:
    """What is checked: paths without the leading ``<``, words as they stand, defaults of Dovecot 2.3."""

    certificate: str = ""
    key: str = ""
    ssl: str = "yes"
    disable_plaintext_auth: str = "yes"
    mechanisms: tuple[str, ...] = ("plain",)


def parse(text: str) -> DovecotConf:
    """Read the configuration; the last line of a setting counts, and what is not checked is passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if setting := _SETTING.fullmatch(line.partition("#")[0]):
            found[setting[1]] = setting[2]
    default = DovecotConf()
    return DovecotConf(
        found.get("ssl_cert", "").lstrip("< "),
        found.get("ssl_key", "").lstrip("< "),
        found.get("ssl", default.ssl),
        found.get("disable_plaintext_auth", default.disable_plaintext_auth),
        tuple(found.get("auth_mechanisms", "plain").split()),
    )
