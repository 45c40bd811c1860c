"""Cross references in docstrings and comments lead to what is there."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGE = Path(__file__).parent.parent / "smtpcreds"
_ROLE = re.compile(r":(?:class|func|meth|attr|mod|data):`~?([^`]+)`")


def referring() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if _ROLE.search(path.read_text())]


def module_of(path: Path) -> ModuleType:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return importlib.import_module(".".join(part for part in parts if part != "__init__"))


def is_reached(start: Any, names: list[str]) -> bool:
    """Tell whether attributes, or annotated fields, lead on from an object."""
    for name in names:
        if not hasattr(start, name):
            return name in getattr(start, "__annotations__", {})
        start = getattr(start, name)
    return True


def is_absolute(dotted: str) -> bool:
    names = dotted.split(".")
    for length in range(len(names), 0, -1):
        try:
            found = importlib.import_module(".".join(names[:length]))
        except ImportError:
            continue
        return is_reached(found, names[length:])
    return False


def leads(reference: str, module: ModuleType) -> bool:
    """Tell whether a reference leads somewhere: from the package, from here, or from a class here."""
    if reference.startswith("."):
        return is_absolute(f"{module.__package__}{reference}")
    if reference.startswith("smtpcreds"):
        return is_absolute(reference)
    classes = (value for value in vars(module).values() if isinstance(value, type))
    return any(is_reached(start, reference.split(".")) for start in (module, *classes))


def lost(path: Path) -> Iterator[str]:
    module = module_of(path)
    return (reference for reference in _ROLE.findall(path.read_text()) if not leads(reference, module))


@pytest.mark.parametrize("path", referring(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_they_lead_somewhere(path: Path) -> None:
    assert list(lost(path)) == []


def test_one_that_is_lost_is_found() -> None:
    module = importlib.import_module("smtpcreds.model")
    assert leads("Change", module)
    assert leads(".files.Disk", module)
    assert not leads("Step", module)
    assert not leads(".authority.ca.CA", module)
