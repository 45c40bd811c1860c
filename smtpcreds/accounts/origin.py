"""Format, mode and owner of a database that does not exist yet, from the configuration."""

import os

from ..config import Site
from ..errors import ConfigError, ForeignFormatError
from ..files import ensure_directory, exists
from ..model import Owner, Root
from ..postgres import is_url
from ..sasldb.detect import PLUGIN_DIRECTORIES, Format, host_format
from ..sasldb.opening import format_at, open_store
from ..sasldb.replace import Origin
from ..sasldb.store import Store


def place_of(database: str) -> str:
    """Return an absolute path, or a URL as it is."""
    return database if is_url(database) else os.path.abspath(database)


def database_of(site: Site, recorded: str) -> str:
    """Return the path or URL of a database that the inventory recorded."""
    return recorded if is_url(recorded) else site.root.locate(recorded)


def open_or_make(database: str, new: Format | None, made: Origin) -> Store:
    """Return the store to be changed; the directory of a file is made where there is none.

    Args:
        database: path or URL.
        new: format of a new file; None leaves it to the host.
        made: mode and owner of a new file.
    """
    if is_url(database):
        return open_store(database)
    ensure_directory(os.path.dirname(database), 0o755, tighten=False)
    return open_store(database, new=None if exists(database) else new, origin=made)


def new_format(site: Site) -> Format | None:
    """Return the configured format of a new database, else what an image's own Cyrus SASL reads.

    None leaves it to this host's Cyrus SASL.

    Raises:
        ConfigError: an unknown format.
    """
    name = site.settings.sasl.format
    try:
        return Format(name) if name else _image_format(site.root)
    except ValueError:
        known = ", ".join(Format)
        raise ConfigError(site.settings_path, f"sasl.format: {name!r} is none of {known}") from None


def _image_format(root: Root) -> Format | None:
    return None if root.is_host else host_format(root.path(pattern) for pattern in PLUGIN_DIRECTORIES)


def refuse_other_format(database: str, wanted: Format) -> None:
    """Accept a database of the format asked for, or none yet.

    Raises:
        ForeignFormatError: it has another one.
    """
    found = format_at(database)
    if found not in (None, wanted):
        hint = f"leave --format out, or: smtpcreds sasl convert --to {wanted} --database {database} NEWFILE"
        raise ForeignFormatError(database, f"exists and has format {found}, not {wanted}", hint)


def origin(site: Site) -> Origin:
    """Return what ``[sasl]`` says of a new database; an existing one keeps what it has.

    Raises:
        ConfigError: a mode that is no octal number or opens the file to the world, an unknown user or group.
    """
    wanted = site.settings.sasl
    owner = None
    if wanted.owner or wanted.group:
        owner = Owner(_uid(site, wanted.owner), _gid(site, wanted.group))
    return Origin(_mode(site, wanted.mode), owner)


def _mode(site: Site, text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        raise ConfigError(site.settings_path, f"sasl.mode: {text!r} is no octal mode, such as 0640") from None
    if mode & 0o7 or mode & ~0o777:
        raise ConfigError(site.settings_path, f"sasl.mode: {text} lets everybody read every secret")
    return mode


def _uid(site: Site, name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if name else os.geteuid()
    except KeyError:
        raise ConfigError(site.settings_path, f"sasl.owner: there is no user {name}") from None


def _gid(site: Site, name: str) -> int:
    import grp

    try:
        return grp.getgrnam(name).gr_gid if name else os.getegid()
    except KeyError:
        raise ConfigError(site.settings_path, f"sasl.group: there is no group {name}") from None
