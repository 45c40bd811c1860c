"""The authority's CRL: always young, installed beside the certificates."""

import os
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from ..config import Site
from ..files import read_private, write_all
from ..inventory import Authority, Crl, Inventory
from ..model import Artifact
from ..pki.crl import build_crl, encode_der, encode_pem
from ..pki.revocation import Revoked, parse_reason
from ..pki.values import Issuer
from .layout import ca_files


def sign_crl(site: Site, issuer: Issuer, number: int, revoked: Iterable[Revoked]) -> tuple[Crl, bytes]:
    """Return a CRL of the authority, which lives ``cert.crl_days`` days, as its facts and as PEM."""
