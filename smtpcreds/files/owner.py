"""Who owns a file, in words."""

import os


def owner(found: os.stat_result) -> str:
    """Return ``user:group`` of a file, numbers where there is no name."""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        user = str(found.st_uid)
    try:
        return f"{user}:{grp.getgrgid(found.st_gid).gr_name}"
    except KeyError:
        return f"{user}:{found.st_gid}"
