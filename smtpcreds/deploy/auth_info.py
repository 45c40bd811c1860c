"""default-auth-info for client hosts, written closed and owned as sendmail demands."""

import os
from collections.abc import Sequence

from ..model import Artifact, Credential, Owner, Plan
from ..mta import auth_info
from .file import plan_file, refuse_existing

_HOLDS = "other credentials"


def plan_auth_info(
    credential: Credential, path: str, mechanisms: Sequence[str] = (), *, force: bool = False
) -> Plan[bool]:
    """Plan the file for one client host: mode 0600, and owner root when root writes it.

    The plan is empty when the file is there with this very content. Applying it returns whether it wrote.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
        UnsafePathError: others could replace it, or what stands there is no file of ours.
        InexpressibleError: see :func:`smtpcreds.mta.auth_info.render`.
    """
    content = auth_info.render(credential, mechanisms)
    artifact = Artifact(path, content, 0o600, Owner(0, 0) if os.geteuid() == 0 else None)
    return plan_file(artifact, _HOLDS, f"credentials of {credential.account}", force=force)


def refuse_auth_info(path: str) -> None:
    """Accept a path where no file would be replaced.

    Raises:
        ExistsError: there is one.
    """
    refuse_existing(path, _HOLDS)
