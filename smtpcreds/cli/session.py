"""What every command gets: the site it works on and the one printer."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from ..config import DEFAULT_PATH, Settings, Site, parse_settings
from ..errors import MissingInputError
from ..files import read_public
from ..model import Root, Step
from .status import say


@dataclass
class Session:
    """The global options of one run."""

    config: str | None = None
    root: str | None = None
    as_json: bool = False
    dry_run: bool = False
    quiet: bool = False
    verbose: bool = False
    warnings: list[str] = field(default_factory=list)

    def site(self) -> Site:
        """Read the configuration and name the installation."""
        root = Root(os.path.abspath(self.root) if self.root else "")
        path = self.config or root.path(DEFAULT_PATH)
        return Site(root, self._settings(path), lambda: datetime.now(UTC), self.warn, path)

    def warn(self, text: str) -> None:
        """Print a line that matters to standard error, ``-q`` or not."""
        self.warnings.append(text)
        say(f"warning: {text}", None)

    def note(self, text: str) -> None:
        """Print what happens on the way to standard error, with ``-v``."""
        if self.verbose:
            say(text, None)

    def show(self, data: object, lines: Iterable[str]) -> None:
        """Print the answer: the lines, or with ``--json`` the data and the warnings."""
        if self.as_json:
            document = {**data, "warnings": self.warnings} if isinstance(data, dict) else data
            click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))
        elif not self.quiet:
            for line in lines:
                click.echo(line)

    def show_plan(self, steps: Iterable[Step]) -> None:
        """Print what a dry run would do, and that it did nothing."""
        plan = list(steps)
        rows = [
            {"action": s.action, "target": s.target, "mode": _octal(s.mode), "note": s.note} for s in plan
        ]
        lines = (f"would {s.action} {s.target}{_mode(s.mode)}{s.note and f'  ({s.note})'}" for s in plan)
        self.show({"dry_run": True, "plan": rows}, lines if plan else ["nothing to do"])

    def _settings(self, path: str) -> Settings:
        try:
            text = read_public(path)
        except MissingInputError:
            if self.config:
                raise
            return Settings()
        return parse_settings(text.decode(errors="replace"), path)


def _octal(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"


def _mode(mode: int | None) -> str:
    return "" if mode is None else f"  {mode:04o}"


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def rfc3339(moment: datetime) -> str:
    """Return the time in UTC as RFC 3339 with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


pass_session = click.make_pass_decorator(Session, ensure=True)
