"""Where the program under test lies: among the packages of this Python (tests/run), or in the checkout."""

from collections.abc import Mapping
from pathlib import Path

import smtpcreds

TOP = Path(__file__).parent.parent
PLACE = Path(smtpcreds.__file__).parent.parent
INSTALLED = PLACE != TOP
IMPORTS: Mapping[str, str] = {
    "PYTHONSAFEPATH": "1",  # not the working directory, which may be the checkout
    **({} if INSTALLED else {"PYTHONPATH": str(TOP)}),
}
"""The environment in which Python finds the same as the tests."""
