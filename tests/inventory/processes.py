"""Other processes, for the tests that need one to kill or a mount of their own."""

import os
import subprocess
import sys

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in a mount namespace as its root; ``$1`` is Python, then come the arguments."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.run(
        ["unshare", *user, "--mount", "sh", "-euc", script, "sh", sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )


def started(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python on this code with a pipe for what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
