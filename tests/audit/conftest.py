"""Scenes, each made once in a run of the tests and only if some test needs it."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .scene import SCENES, Host

Made = Callable[[str], Host]
ROOT = "polka root"
"""As a shell does not read it without quotes."""


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {}


@pytest.fixture
def scene(
    templates: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Iterator[Made]:
    """Return what copies a clean host."""

    def copy(name: str) -> Host:
        if name not in templates:
            templates[name] = SCENES[name](tmp_path_factory.mktemp(name) / ROOT).root
        subprocess.run(["cp", "-a", templates[name], tmp_path / ROOT], check=True)
        return Host(tmp_path / ROOT)

    mask = os.umask(0o022)
    yield copy
    os.umask(mask)
