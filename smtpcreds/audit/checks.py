"""The table of checks, in the order in which their findings are shown."""

from collections.abc import Callable, Iterator

from . import perm_accounts, perm_paths, perm_state, perm_tls
from .finding import Finding
from .world import World

CHECKS: tuple[Callable[[World], Iterator[Finding]], ...] = (
    perm_paths.parents,
    perm_tls.directories,
    perm_tls.keys,
    perm_tls.others,
    perm_tls.ca_key,
    perm_accounts.databases,
    perm_accounts.credentials,
    perm_state.state,
    perm_state.configuration,
    perm_state.database_password,
    perm_state.readers,
)
