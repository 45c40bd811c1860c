"""The configuration that a set-up writes: who the hub is, and which copies of the accounts follow them."""

from dataclasses import replace

from ..config import Site
from ..deploy.place import Applied
from ..files import read_public, write_all
from ..model import Artifact


def settings_text(site: Site) -> str:
    """Return what the file says of a hub, whatever its mail program."""
    return f'domain = "{site.settings.domain}"\nhub = "{site.settings.hub}"\n'


def completed(site: Site, applied: Applied) -> Applied:
    """Add to the file that this run made what the mail program's copies need; return what is left to add.

    If it says anything else by now, somebody edited it, and it is left alone.
    """
    lacking = [include for include in applied.includes if include.path == site.settings_path]
    text = settings_text(site)
    if not lacking or read_public(site.settings_path) != text.encode():
        return applied
    lines = "".join(f"{line}\n" for include in lacking for line in include.text)
    write_all([Artifact(site.settings_path, f"{text}\n[sasl]\n{lines}".encode(), 0o644)])
    rest = tuple(include for include in applied.includes if include not in lacking)
    return replace(applied, includes=rest)
