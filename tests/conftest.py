"""What tests of several rooms share."""

from collections.abc import Iterator

import pytest
from postgres_cluster import Cluster, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL server, one for each process of the tests that needs it."""
    with cluster() as running:
        yield running
