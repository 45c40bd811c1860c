"""The role of contrib/ansible: clean, and what it says; tests/test_live_ansible.py runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from admin import HUB, TOP
from place import IMPORTS

from smtpcreds import __version__

ROLE = TOP / "contrib/ansible"
INVENTORY = """\
[hub]
{hub}
other.example.org smtpcreds_reload='kill -HUP "$(cat /run/pid)"'
[clients]
[all:vars]
ansible_connection=local
ansible_become=false
smtpcreds_hub={hub}
smtpcreds_command={python} -m smtpcreds --root {root}
smtpcreds_passphrase=file:/etc/smtpcreds/ca-passphrase
smtpcreds_timers=[]
"""


def test_the_role_is_clean() -> None:
    command = ("ansible-lint", "--offline", "--nocolor", "-q", "--profile", "production", "site.yml")
    done = subprocess.run(command, cwd=ROLE, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_inventory_names_the_package_where_it_is_built() -> None:
    """Ansible looks for what has no whole path beside the playbook, not where it was started."""
    named = re.findall(r"^smtpcreds_package=(.*)$", (ROLE / "inventory.ini").read_text(), re.MULTILINE)
    places = [os.path.normpath(one.replace("{{ playbook_dir }}", str(ROLE))) for one in named]
    assert places == [str(TOP / f"dist/smtpcreds_{__version__}_all.deb")]
    assert '"${1:-dist}"' in (TOP / "contrib/debian/build").read_text()


def test_a_failure_says_why(tmp_path: Path) -> None:
    text = INVENTORY.format(hub=HUB, python=sys.executable, root=tmp_path / "root")
    (tmp_path / "inventory.ini").write_text(text)
    done = subprocess.run(
        ("ansible-playbook", "-i", tmp_path / "inventory.ini", ROLE / "site.yml"),
        env=os.environ | IMPORTS | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    said = dict(re.findall(r"^fatal: \[(\S+)\]: (.*)", done.stdout, re.MULTILINE))
    assert "/etc/smtpcreds/ca-passphrase" in said[HUB]
    assert "there is no such file" in said[HUB]
    assert "JSONDecodeError" not in said[HUB]
    assert '"changed": false' in said[HUB]
    assert "smtpcreds_reload and smtpcreds_passphrase can't have quotes" in said["other.example.org"]
