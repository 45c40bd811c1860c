"""How far long work has come: whoever works counts, and whoever has a screen shows it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

T = TypeVar("T")
Screen = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given the number of steps, shows them, and gives what is called with each number that was done."""

FEW = 20
"""Fewer steps are not worth a bar; work inside them may be."""

_screen: Screen | None = None


def show_on(screen: Screen | None) -> None:
    """Show work of this process there; None shows nothing."""
    global _screen  # one terminal a process
    _screen = screen


def _one(_: object) -> int:
    return 1


def counted(items: Iterable[T], length: int, size: Callable[[T], int] = _one) -> Iterator[T]:
    """Yield the items, and show how many are done.

    What is counted inside a step belongs to it, and is not shown.

    Args:
        items: the work.
        length: the number of steps, at most.
        size: the steps of an item.
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
                step(size(item))
    finally:
        show_on(screen)
