"""default-auth-info for client hosts, written closed and owned as sendmail demands."""

import os
from collections.abc import Sequence

from ..errors import ExistsError
from ..files import check_parents, check_target, ensure_directory, read_private, write_all
from ..model import Artifact, Credential, Owner, Plan, Step
from ..mta import auth_info


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
    parent = os.path.dirname(path)
    if os.path.isdir(parent):
        check_parents(path)
    found = check_target(path)
    if found is not None and read_private(path) == content:
        return Plan((), lambda: False)
    if found is not None and not force:
        raise ExistsError(path, "holds other credentials and was left alone", "pass --force to replace it")
    artifact = Artifact(path, content, 0o600, Owner(0, 0) if os.geteuid() == 0 else None)

    def apply() -> bool:
        if not os.path.isdir(parent):
            ensure_directory(parent, 0o755)
        write_all([artifact])
        return True

    return Plan((Step("write", path, 0o600, f"credentials of {credential.account}"),), apply)
