"""default-auth-info for client hosts, written closed and owned as sendmail demands."""

import os
from collections.abc import Sequence

from ..model import Artifact, Credential, Owner
from ..mta import auth_info
from .file import refuse_existing, write_file

_HOLDS = "other credentials"


def write_auth_info(
    credential: Credential, path: str, mechanisms: Sequence[str] = (), *, force: bool = False
) -> bool:
    """Write the file for one client host: mode 0600, and owner root when root writes it.

    Returns:
        False where it was there with this very content.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
        UnsafePathError: others could replace it, or what stands there is no file of ours.
        InexpressibleError: see :func:`smtpcreds.mta.auth_info.render`.
    """
    content = auth_info.render(credential, mechanisms)
    owner = Owner(0, 0) if os.geteuid() == 0 else None
    artifact = Artifact(path, content, 0o600, owner, f"credentials of {credential.account}")
    return write_file(artifact, _HOLDS, force=force)


def refuse_auth_info(path: str) -> None:
    """Accept a path where no file would be replaced.

    Raises:
        ExistsError: there is one.
    """
    refuse_existing(path, _HOLDS)
