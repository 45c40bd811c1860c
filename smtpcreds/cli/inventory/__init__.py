"""``smtpcreds inventory``: what was issued, to whom, and by whom."""

from ..lazy import noun

inventory = noun(
    "inventory",
    "The record of certificates and deeds.",
    {
        "check": ("inventory.check", "check", "Find where inventory and disk disagree."),
        "events": ("inventory.events", "events", "List who did what, and when."),
    },
)
