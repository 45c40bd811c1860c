"""Cures that are commands for files alone, typed under the root as they are printed: the code is gone.

Those that reload a mail program are typed in tests/test_live_settings_*.py, on hosts of the lab.
"""

import json
import subprocess

import pytest
from admin import environment

from .breaks import BREAKS, Break
from .conftest import Made
from .scene import Host

TYPED = {"MTA009", "MTA012", "MTA107"}
ROWS = [pytest.param(row, id=f"{row.code}-{row.do.__name__}") for row in BREAKS if row.code in TYPED]


def typed(*command: str) -> str:
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode in {0, 1}, f"{command}\n{done.stderr}"
    return done.stdout


def cures(host: Host, code: str) -> list[str]:
    found = json.loads(typed(*host.program().command("--json", "audit", "--only", code)))["findings"]
    assert found
    return [one["cure"].partition(", or ")[0] for one in found]


@pytest.mark.parametrize("row", ROWS)
def test_a_cure_is_typed_and_the_code_is_gone(scene: Made, row: Break) -> None:
    host = scene(row.scene)
    row.do(host)
    for line in cures(host, row.code):
        typed("sh", "-c", line)
    assert row.code not in host.codes(), line
