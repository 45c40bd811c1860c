"""``python -m smtpcreds``."""

from .cli import main

main()
