"""The tables, as numbered migrations, in SQLite's words and in PostgreSQL's; and the statements."""

from collections.abc import Iterator, Sequence

from ..lazy import pattern

# The tables, as numbered migrations, in SQLite's words; :func:`in_postgres` says them in PostgreSQL's.
#
# ``PRAGMA user_version`` counts the migrations that a file has been through. A migration that was released is
# never edited: a new one is added. Partial indexes serve conditions that the statements write as literals,
# for SQLite does not match a bound value with an index's WHERE.

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

_ORDER_OF_ISSUE = (
    "DROP INDEX certificates_host",
    "CREATE INDEX certificates_host ON certificates (host, id)",
)

CHAIN_EVENTS = "-- every event gets its hash: chain.hashes"
"""Stands for what no statement can do; see :func:`.sqlite.migrate`."""

_CHAIN = (
    "DROP TRIGGER events_stay",
    "ALTER TABLE events ADD COLUMN hash TEXT NOT NULL DEFAULT ''",
    CHAIN_EVENTS,
    """
    CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append only'); END
    """,
)

_PULLS = (
    """
    CREATE TABLE pulls (
        host TEXT PRIMARY KEY,
        program TEXT NOT NULL,
        options TEXT NOT NULL,
        login TEXT NOT NULL,
        since INTEGER NOT NULL,
        asked INTEGER,
        digest TEXT NOT NULL,
        serial TEXT NOT NULL,
        account TEXT NOT NULL,
        not_after INTEGER,
        crl_end INTEGER,
        held INTEGER
    )
    """,
)

_LAST_DELIVERIES = """id IN (SELECT max(id) FROM events WHERE what IN ('bundle', 'cert retire'){}
    GROUP BY what, subject)"""
DELIVERIES = f"({_LAST_DELIVERIES.format('')} OR what = 'sasl passwd')"
"""The last events of what each client host was given, and of its leaving; all of new secrets."""


def deliveries_to(hosts: int) -> str:
    """Return the condition for the last of those events of so many hosts."""
    return _LAST_DELIVERIES.format(f" AND subject IN ({', '.join('?' * hosts)})")


_EVENTS_OF_A_KIND = ("CREATE INDEX events_what ON events (what, subject, id)",)

_SHARED_PULLS = (
    "ALTER TABLE crls ADD COLUMN der BLOB",
    "UPDATE certificates SET machine = '' WHERE substr(directory, 1, 24) = 'var/lib/smtpcreds/hosts/'",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _FIRST,
    _MACHINES,
    _ROTATIONS,
    _PLACES,
    _ORDER_OF_ISSUE,
    _CHAIN,
    _PULLS,
    _EVENTS_OF_A_KIND,
    _SHARED_PULLS,
)
"""Statements that lead from each version to the next; the first one starts at an empty file."""


# Every statement about rows, in words that SQLite (3.34 and newer) and PostgreSQL both read.
#
# Placeholders are ``?``. Text is compared by octets: PostgreSQL's columns have ``COLLATE "C"``.

ADD_AUTHORITY = """
INSERT INTO authorities (name, ski, fingerprint, state, created, crl_number, der)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SELECT_AUTHORITY = "SELECT id, name, ski, fingerprint, state, created, der FROM authorities"
AUTHORITY_BY_FINGERPRINT = SELECT_AUTHORITY + " WHERE fingerprint = ?"
ALL_AUTHORITIES = SELECT_AUTHORITY + " ORDER BY state, created DESC, id DESC"
RETIRE_AUTHORITY = "UPDATE authorities SET state = 'retired' WHERE id = ?"

SELECT_CERTIFICATE = """
SELECT authority, serial, host, profile, names, not_before, not_after, created, directory, state,
    fingerprint, key_id, revoked_at, reason, machine
FROM certificates
"""
CERTIFICATES_AND_DER = (
    SELECT_CERTIFICATE.replace("machine\nFROM", "machine, der\nFROM") + " WHERE der IS NOT NULL ORDER BY id"
)
INTEND = """
INSERT INTO certificates
    (authority, serial, host, profile, names, not_before, not_after, created, directory, machine, state)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')
"""
ADOPT = """
INSERT INTO certificates
    (authority, serial, host, profile, names, not_before, not_after, created, directory, state,
    fingerprint, key_id, revoked_at, reason, der)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (serial, authority) DO NOTHING
"""
SIGN = """
UPDATE certificates SET key_id = ?, fingerprint = ?, der = ?
WHERE serial = ? AND authority = ? AND state = 'pending' AND der IS NULL
"""
ISSUE = """
UPDATE certificates SET state = 'issued'
WHERE serial = ? AND authority = ? AND state = 'pending' AND der IS NOT NULL
"""
PLACE = """
UPDATE certificates SET state = 'pending', directory = ?, machine = ?, reason = NULL
WHERE serial = ? AND authority = ? AND state <> 'revoked' AND der IS NOT NULL
"""
DISCARD = """
UPDATE certificates SET state = 'discarded', reason = ?
WHERE serial = ? AND authority = ? AND state = 'pending'
"""
FORGET = "UPDATE certificates SET state = 'discarded', reason = ? WHERE host = ? AND state = 'issued'"
REVOKE = """
UPDATE certificates SET state = 'revoked', revoked_at = ?, reason = ?
WHERE serial = ? AND authority = ?
    AND (state = 'issued' OR (state IN ('pending', 'discarded') AND der IS NOT NULL))
"""
TALLY = """
SELECT CASE WHEN state = 'issued' AND not_after <= ? THEN 'expired' ELSE state END AS standing, count(*)
FROM certificates WHERE authority = ? GROUP BY standing
"""
STANDING = "SELECT state, der IS NOT NULL FROM certificates WHERE serial = ? AND authority = ?"
DER = "SELECT der FROM certificates WHERE serial = ? AND authority = ? AND der IS NOT NULL"
PENDING = SELECT_CERTIFICATE + " WHERE state = 'pending' ORDER BY id"
MEANT = """
id IN (SELECT id FROM certificates WHERE host = ?
    UNION SELECT id FROM certificates WHERE serial >= ? AND serial < ?
    UNION SELECT id FROM certificates WHERE fingerprint >= ? AND fingerprint < ?)
"""
ISSUED_FIRST = " ORDER BY CASE WHEN state = 'issued' THEN 0 ELSE 1 END, id DESC"
CURRENT = ["host = ?", "state = 'issued'", "not_after > ?"]
LATEST_FIRST = " ORDER BY id DESC"
# In the order of the deeds, not of not_before: a clock may have been ahead, or a CA too young for backdating.
LATEST = """
state = 'issued' AND NOT EXISTS (
    SELECT 1 FROM certificates AS newer
    WHERE newer.host = certificates.host AND newer.id > certificates.id
        AND newer.directory = certificates.directory AND newer.machine = certificates.machine
        AND newer.state = 'issued')
"""
HOSTS = "SELECT DISTINCT host FROM certificates WHERE host >= ? AND host < ? ORDER BY host LIMIT ?"
PLACES = """
SELECT DISTINCT rtrim(directory, replace(directory, '/', '')) FROM certificates
WHERE authority = ? AND machine IN ('', ?) AND directory <> ''
"""
IN_STATE = {
    "pending": "state = 'pending'",
    "issued": "state = 'issued'",
    "revoked": "state = 'revoked'",
    "discarded": "state = 'discarded'",
}
BY_EXPIRY = " ORDER BY not_after, id"

SELECT_REVOKED = "SELECT serial, revoked_at, reason FROM certificates"
WHICH_REVOKED = "revoked_at IS NOT NULL"  # not the state: the index then holds all that is read
BY_SERIAL = " ORDER BY serial"

TAKE_CRL_NUMBER = "UPDATE authorities SET crl_number = crl_number + 1 WHERE id = ?"
USE_CRL_NUMBER = "UPDATE authorities SET crl_number = ? WHERE id = ? AND crl_number < ?"
CRL_NUMBER = "SELECT crl_number FROM authorities WHERE id = ?"
RECORD_CRL = """
INSERT INTO crls (authority, number, this_update, next_update, sha256, der) VALUES (?, ?, ?, ?, ?, ?)
"""
FORGET_OLDER_CRLS = "UPDATE crls SET der = NULL WHERE authority = ? AND number < ? AND der IS NOT NULL"
CRL_DER = "SELECT der FROM crls WHERE authority = ? AND number = ? AND der IS NOT NULL"
LATEST_CRL = """
SELECT authority, number, this_update, next_update, sha256 FROM crls
WHERE authority = ? ORDER BY number DESC LIMIT 1
"""

EVENT = "INSERT INTO events (at, who, what, subject, detail, hash) VALUES (?, ?, ?, ?, ?, ?)"
LAST_HASH = "SELECT hash FROM events ORDER BY id DESC LIMIT 1"
SET_HASH = "UPDATE events SET hash = ? WHERE id = ?"
EVENT_CHAIN = "SELECT id, at, who, what, subject, detail, hash FROM events ORDER BY id"
SELECT_EVENT = "SELECT at, who, what, subject, detail FROM events"
NEWEST_FIRST = " ORDER BY id DESC"
OLDEST_FIRST = " ORDER BY id"

# Whether rows and events say the same: an event of a certificate has the detail ``serial`` and its number.

_BEGUN = """
EXISTS (SELECT 1 FROM events AS begun WHERE begun.subject = host
    AND begun.detail = 'serial ' || serial AND begun.what NOT IN ('cert roll back', 'cert give up')
"""
_ENDED = """
EXISTS (SELECT 1 FROM events AS ended WHERE ended.subject = host AND ended.id > begun.id
    AND (ended.what = 'cert retire'
        OR (ended.what IN ('cert roll back', 'cert give up') AND ended.detail = 'serial ' || serial)))
"""
_IN_USE = f"{_BEGUN} AND NOT {_ENDED})"
_REVOKED = """
EXISTS (SELECT 1 FROM events AS revoked WHERE revoked.what = 'cert revoke' AND revoked.subject = host
    AND substr(revoked.detail, 1, 8 + length(serial)) = 'serial ' || serial || ',')
"""
_IMPORTED = """
EXISTS (SELECT 1 FROM authorities AS ca JOIN events AS import
    ON import.what = 'ca import' AND import.subject = ca.name WHERE ca.id = authority)
"""
UNEXPLAINED = (
    f"((state = 'discarded' AND {_IN_USE})"
    f" OR (state = 'issued' AND NOT {_IN_USE} AND (NOT {_IMPORTED} OR {_BEGUN})))"
    f" OR (state = 'revoked' AND NOT {_REVOKED} AND NOT {_IMPORTED}))"
)
"""Of certificates; what came with an imported authority has no events of its own."""
WITHOUT_ROW = """
substr(detail, 1, 7) = 'serial ' AND what <> 'cert revoke' AND NOT EXISTS
    (SELECT 1 FROM certificates WHERE host = subject AND serial = substr(detail, 8))
"""
"""Of events."""
OLDEST_FIRST = " ORDER BY id"


def where(select: str, conditions: list[str], order: str, limit: int | None) -> str:
    """Put a statement together; the parts are constants of this module."""
    text = select + (" WHERE " + " AND ".join(conditions) if conditions else "") + order
    return text if limit is None else text + " LIMIT ?"


# The migrations in PostgreSQL's words, made from SQLite's, so that there is one history for both.

_WORD = pattern(r"\bINTEGER PRIMARY KEY\b|\bINTEGER\b|\bTEXT\b|\bBLOB\b")
_TYPES = {
    "INTEGER PRIMARY KEY": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "INTEGER": "BIGINT",
    "TEXT": 'TEXT COLLATE "C"',
    "BLOB": "BYTEA",
}
_OF_SQLITE = pattern(r"\s*(PRAGMA \w+|(?:CREATE|DROP) TRIGGER \w+)")
_INSTEAD: dict[str, tuple[str, ...]] = {
    "PRAGMA application_id": (),
    "CREATE TRIGGER events_stay": (
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'events are append only'; END $$
        """,
        """
        CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        EXECUTE FUNCTION refuse_change()
        """,
    ),
    "CREATE TRIGGER events_remain": (),
    "DROP TRIGGER events_stay": ("DROP TRIGGER events_stay ON events",),
    "CREATE TRIGGER events_unchanged": (
        """
        CREATE TRIGGER events_unchanged BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        EXECUTE FUNCTION refuse_change()
        """,
    ),
}
"""What stands for the pragmas and triggers of SQLite."""


def in_postgres(statements: Sequence[str]) -> Iterator[str]:
    """Yield the statements of a migration."""
    for statement in statements:
        own = _OF_SQLITE.match(statement)
        if own:
            yield from _INSTEAD[own[1]]
        else:
            yield _WORD.sub(lambda word: _TYPES[word[0]], statement)
