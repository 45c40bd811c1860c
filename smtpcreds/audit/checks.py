"""The table of checks, in the order in which their findings are shown."""

from collections.abc import Callable, Iterator

from . import cert_chain, cert_crl, cert_life, cert_links, cert_names, cert_pair
from . import perm_accounts, perm_paths, perm_state, perm_tls, sasl_conf, sasl_records
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
    cert_pair.loadable,
    cert_pair.belongs,
    cert_chain.closes,
    cert_life.dates,
    cert_life.revoked,
    cert_names.names,
    cert_names.roles,
    cert_pair.strong,
    cert_pair.shared,
    cert_crl.present,
    cert_crl.readable,
    cert_crl.current,
    cert_crl.issued,
    cert_links.missing,
    cert_links.stale,
    cert_chain.sent,
    cert_names.public,
    sasl_records.backend,
    sasl_records.strangers,
    sasl_records.realms,
    sasl_records.properties,
    sasl_records.logins,
    sasl_records.slack,
    sasl_conf.places,
    sasl_conf.well_formed,
    sasl_conf.methods,
    sasl_conf.engines,
    sasl_conf.databases,
    sasl_conf.plugins,
    sasl_conf.offers,
)
