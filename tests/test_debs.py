"""Unpacked packages: their programs find libraries here or in the system."""

import subprocess
from pathlib import Path

from lab.debs import library_path


def test_libraries_of_the_tree_come_first(tmp_path: Path) -> None:
    libraries = tmp_path / "usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    assert library_path(tmp_path, "pulseaudio") == f"LD_LIBRARY_PATH={libraries}:{libraries}/pulseaudio"


def test_a_system_that_has_them_all_is_asked_alone(tmp_path: Path) -> None:
    (tmp_path / "usr/lib").mkdir(parents=True)
    assert library_path(tmp_path) == "LD_LIBRARY_PATH="
    assert subprocess.run(["env", library_path(tmp_path), "openssl", "version"], check=False).returncode == 0
