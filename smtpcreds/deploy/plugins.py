"""Plug-ins of Cyrus SASL: which are installed, and which of those that a configuration names are not."""

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..config import Site
from ..errors import MissingInputError
from ..systems import PLUGIN_DIRECTORIES

_MECHANISMS = {
    "PLAIN": "libplain.so",
    "LOGIN": "liblogin.so",
    "CRAM-MD5": "libcrammd5.so",
    "DIGEST-MD5": "libdigestmd5.so",
    "ANONYMOUS": "libanonymous.so",
    "NTLM": "libntlm.so",
    "OTP": "libotp.so",
    "GSSAPI": "libgssapiv2.so",
    **{f"SCRAM-SHA-{size}": "libscram.so" for size in (1, 224, 256, 384, 512)},
}


class Absent(NamedTuple):
    """A plug-in that is not installed.

    Attributes:
        named: the mechanism or backend that needs it.
        plugin: its file.
        cure: how to install it.
    """

    named: str
    plugin: str
    cure: str

    @property
    def reason(self) -> str:
        """What is wrong with the file that names it."""
        return f"names {self.named}, and its plugin {self.plugin} is not installed"


def installed_plugins(site: Site) -> set[str]:
    """Return the plug-ins of Cyrus SASL, as ``libscram.so``."""
    top = glob.escape(site.root.prefix.rstrip("/"))
    found = (path for pattern in PLUGIN_DIRECTORIES for path in glob.glob(f"{top}{pattern}/lib*"))
    return set(map(os.path.basename, found))


def absent_plugins(
    site: Site, mechanisms: Iterable[str] = (), backends: Iterable[str] = ()
) -> Iterator[Absent]:
    """Yield what is not installed; nothing is known where there is no Cyrus SASL at all.

    Args:
        site: where.
        mechanisms: upper-case names; one that is unknown here needs nothing.
        backends: words of ``auxprop_plugin``.
    """
    installed = installed_plugins(site)
    wanted = [(name, _MECHANISMS[name]) for name in mechanisms if name in _MECHANISMS]
    wanted += [(f"auxprop_plugin {name}", f"lib{name}.so") for name in backends]
    for named, plugin in wanted if installed else ():
        if not any(name.startswith(plugin) for name in installed):
            yield Absent(named, plugin, site.system.to_install(plugin))


def plugin_errors(site: Site, settings: Mapping[str, bytes]) -> Iterator[MissingInputError]:
    """Yield an error for each plug-in that is not installed and that a configuration of Cyrus SASL needs.

    That of GSSAPI is said with its keytab (:mod:`smtpcreds.deploy.keytab`), if there is one.

    Args:
        site: where.
        settings: of the file, as :func:`smtpcreds.mta.sasl_conf.parse` returns them.
    """
    mechanisms, backends = (
        settings.get(name, b"").decode(errors="replace").split() for name in ("mech_list", "auxprop_plugin")
    )
    told = {"GSSAPI"} if "keytab" in settings else set()
    for absent in absent_plugins(site, (name for name in mechanisms if name not in told), backends):
        reason = f"is not installed, and {absent.named} needs it"
        yield MissingInputError(absent.plugin, reason, absent.cure)
