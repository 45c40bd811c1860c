"""Run every verb through every fault, and write what came of it: python -m tests.faults --help."""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from . import table
from .results import added_up

HERE = Path(__file__).parent


def publish(file: Path) -> int:
    """Add up the results of a file, keep that, and put its table into the manual page."""
    table.RESULTS.write_text(f"{json.dumps(added_up(file), indent=1)}\n")
    table.put(table.recorded())
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--verb", default="", help="this one alone, as 'cert issue'")
    parser.add_argument("--fault", default="", help="this one alone, as ENOSPC")
    parser.add_argument("--sample", type=int, default=0, help="points for each verb and fault; 0: all")
    parser.add_argument("--every", type=int, default=1, help="each how manieth pair of a case and a fault")
    parser.add_argument("--others", type=int, default=1, help="the same for pairs of another program")
    parser.add_argument("--jobs", default="1", help="processes side by side")
    parser.add_argument("--only", default="", help="files of tests whose names hold this")
    parser.add_argument("--into", type=Path, help="append the results; what is well in it is not tried again")
    parser.add_argument("--page", type=Path, help="run nothing; what these add up to goes to the manual")
    asked = parser.parse_args()
    if asked.page:
        return publish(asked.page)
    into = asked.into or Path(tempfile.mkstemp(prefix="smtpcreds-faults-")[1])
    options = {name: getattr(asked, name) for name in ("verb", "fault", "sample", "every", "others")}
    os.environ["SMTPCREDS_FAULTS"] = json.dumps({**options, "into": str(into.absolute())})
    files = [str(path) for path in sorted(HERE.glob("test_*.py")) if asked.only in path.name]
    with tempfile.TemporaryDirectory(prefix="smtpcreds-faults-", dir="/dev/shm") as memory:
        status = pytest.main(
            [*files, "-q", "-n", asked.jobs, "--tb=line", "--timeout=0", f"--basetemp={memory}/tests"]
        )
    print(json.dumps(added_up(into), indent=1))
    return status


if __name__ == "__main__":
    sys.exit(main())
