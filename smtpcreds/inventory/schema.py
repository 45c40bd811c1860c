"""The tables, as numbered migrations, in SQLite's words; :mod:`.postgres_schema` says them in PostgreSQL's.

``PRAGMA user_version`` counts the migrations that a file has been through. A migration that was released is
never edited: a new one is added. Partial indexes serve conditions that the statements write as literals, for
SQLite does not match a bound value with an index's WHERE.
"""

APPLICATION_ID = 0x736D6372
"""``smcr``, at octet 68 of the file (sqlite.org/fileformat2.html section 1.3)."""

_FIRST = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    """
    CREATE TABLE authorities (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        ski TEXT NOT NULL,
        fingerprint TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('current', 'retired', 'foreign')),
        created INTEGER NOT NULL,
        crl_number INTEGER NOT NULL CHECK (crl_number >= 0),
        der BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE certificates (
        id INTEGER PRIMARY KEY,
        authority INTEGER NOT NULL REFERENCES authorities (id),
        serial TEXT NOT NULL CHECK (serial <> '' AND serial = lower(serial)),
        host TEXT NOT NULL,
        profile TEXT NOT NULL,
        names TEXT NOT NULL,
        not_before INTEGER NOT NULL,
        not_after INTEGER NOT NULL,
        created INTEGER NOT NULL,
        directory TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'revoked', 'discarded')),
        fingerprint TEXT,
        key_id TEXT,
        revoked_at INTEGER,
        reason TEXT,
        der BLOB,
        UNIQUE (serial, authority),
        CHECK ((state = 'revoked') = (revoked_at IS NOT NULL)),
        CHECK (state <> 'revoked' OR reason IS NOT NULL),
        CHECK ((der IS NULL) = (fingerprint IS NULL))
    )
    """,
    "CREATE INDEX certificates_fingerprint ON certificates (fingerprint)",
    "CREATE INDEX certificates_host ON certificates (host, not_before, id)",
    "CREATE INDEX certificates_expiry ON certificates (not_after, id)",
    "CREATE INDEX certificates_tally ON certificates (authority, state, not_after)",
    "CREATE INDEX certificates_pending ON certificates (id) WHERE state = 'pending'",
    "CREATE INDEX certificates_place ON certificates (authority, directory) WHERE directory <> ''",
    """
    CREATE INDEX certificates_revoked ON certificates (authority, serial, revoked_at, reason, not_after)
    WHERE revoked_at IS NOT NULL
    """,
    """
    CREATE TABLE crls (
        authority INTEGER NOT NULL REFERENCES authorities (id),
        number INTEGER NOT NULL,
        this_update INTEGER NOT NULL,
        next_update INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (authority, number)
    )
    """,
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL
    )
    """,
    "CREATE INDEX events_subject ON events (subject, id)",
    "CREATE INDEX events_at ON events (at, id)",
    """
    CREATE TRIGGER events_stay BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append only'); END
    """,
    """
    CREATE TRIGGER events_remain BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append only'); END
    """,
)

_MACHINES = (
    "ALTER TABLE certificates ADD COLUMN machine TEXT NOT NULL DEFAULT ''",
    "DROP INDEX certificates_place",
    "CREATE INDEX certificates_place ON certificates (authority, machine, directory) WHERE directory <> ''",
)

_ROTATIONS = (
    """
    CREATE TABLE rotations (
        id INTEGER PRIMARY KEY,
        authcid TEXT NOT NULL,
        successor TEXT NOT NULL CHECK (successor <> authcid),
        realm TEXT NOT NULL,
        sasldb TEXT NOT NULL,
        clients TEXT NOT NULL,
        started INTEGER NOT NULL,
        retire_after INTEGER,
        state TEXT NOT NULL
            CHECK (state IN ('begun', 'open', 'retiring', 'abandoning', 'retired', 'abandoned')),
        ended INTEGER,
        CHECK ((state IN ('retired', 'abandoned')) = (ended IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX rotations_account ON rotations (authcid, realm, sasldb) WHERE ended IS NULL",
    "CREATE UNIQUE INDEX rotations_successor ON rotations (successor, realm, sasldb) WHERE ended IS NULL",
)

_PLACES = ("ALTER TABLE rotations ADD COLUMN places TEXT NOT NULL DEFAULT ''",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _MACHINES, _ROTATIONS, _PLACES)
"""Statements that lead from each version to the next; the first one starts at an empty file."""
