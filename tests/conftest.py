"""What tests of several rooms share."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from place import IMPORTS
from postgres_cluster import Cluster, cluster

if TYPE_CHECKING:
    from lab import Lab

os.environ.update(IMPORTS)

for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:  # a run in the background would hand that on
        signal.signal(_number, signal.SIG_DFL)

settings.register_profile(
    "steady",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="SMTPCREDS_TEST_ROUNDS" not in os.environ,
)
settings.load_profile("steady")
"""What takes how long says nothing: the machine may have other things to do.

And examples are the same in each run; SMTPCREDS_TEST_ROUNDS asks for a search for others.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a system run a part of the rows of settings, and another one other rows."""
    parser.addoption("--rows", default="0/1", help="of so many rows of settings that of this number: 1/6")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave rows out that are not asked for; begin with the modules that take longest.

    So no process is left alone with these at the end.
    """
    rows = [item for item in items if item.path.name.startswith("test_live_settings_") and "[" in item.name]
    first, _, each = config.getoption("rows").partition("/")
    out = {item for number, item in enumerate(rows) if number % int(each) != int(first)}
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=[*out])
    items.sort(key=lambda item: not item.path.name.startswith("test_live_"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL server, one for each process of the tests that needs it."""
    with cluster() as running:
        yield running


@pytest.fixture
def name(postgres: Cluster) -> str:
    """Name an empty database there."""
    return postgres.emptied()


@pytest.fixture
def url(postgres: Cluster, name: str) -> str:
    """Return its URL."""
    return postgres.url(name)


@pytest.fixture
def lab() -> Iterator["Lab"]:
    """Hosts of one test; modules whose tests share theirs have a fixture of their own."""
    from lab import Lab

    with Lab() as made:
        yield made


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may enter."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)
