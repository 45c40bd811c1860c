"""The role of contrib/ansible as ansible-lint sees it; tests/test_live_ansible.py runs it."""

import subprocess

from admin import TOP


def test_the_role_is_clean() -> None:
    command = ("ansible-lint", "--offline", "--nocolor", "-q", "--profile", "production", "site.yml")
    done = subprocess.run(command, cwd=TOP / "contrib/ansible", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
