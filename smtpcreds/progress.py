"""How far long work has come: whoever works counts, and whoever has a screen shows it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")
Screen = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Given the number of steps, shows them, and gives what is called after each."""

FEW = 20
"""Fewer steps are not worth a bar; work inside them may be."""

_screen: Screen | None = None


def show_on(screen: Screen | None) -> None:
    """Show work of this process there; None shows nothing."""
    global _screen  # one terminal a process
    _screen = screen


def counted(items: Iterable[T], length: int) -> Iterator[T]:
    """Yield the items, of which there are ``length``, and show how many are done.

    What is counted inside a step belongs to it, and is not shown.
    """
    screen = _screen
    if screen is None or length < FEW:
        yield from items
        return
    show_on(None)
    try:
        with screen(length) as step:
            for item in items:
                yield item
                step()
    finally:
        show_on(screen)
