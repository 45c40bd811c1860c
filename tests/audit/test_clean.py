"""A host that the program itself has set up has nothing that its audit finds."""

import pytest

from .conftest import Made
from .scene import SCENES


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_found_on_a_clean_host(scene: Made, name: str) -> None:
    assert list(map(str, scene(name).findings())) == []
