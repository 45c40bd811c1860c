"""The migrations in PostgreSQL's words, made from SQLite's, so that there is one history for both."""

import re
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"\bINTEGER PRIMARY KEY\b|\bINTEGER\b|\bTEXT\b|\bBLOB\b")
_TYPES = {
    "INTEGER PRIMARY KEY": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "TEXT": 'TEXT COLLATE "C"',
    "BLOB": "BYTEA",
}
_OF_SQLITE = re.compile(r"\s*(?:PRAGMA|CREATE TRIGGER) (\w+)")
_INSTEAD: dict[str, tuple[str, ...]] = {
    "application_id": (),
    "events_stay": (
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'events are append only'; END $$
        """,
        """
        CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        EXECUTE FUNCTION refuse_change()
        """,
    ),
    "events_remain": (),
}
"""What stands for the pragmas and triggers of SQLite, by name."""


def in_postgres(statements: Sequence[str]) -> Iterator[str]:
    """Yield the statements of a migration.

    Raises:
        KeyError: a pragma or trigger that nobody has said in PostgreSQL's words yet.
    """
    for statement in statements:
        own = _OF_SQLITE.match(statement)
        if own:
            yield from _INSTEAD[own[1]]
        else:
            yield _WORD.sub(lambda word: _TYPES[word[0]], statement)
