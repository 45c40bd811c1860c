"""Every statement about rows, in words that SQLite (3.34 and newer) and PostgreSQL both read.

Placeholders are ``?``. Text is compared by octets: PostgreSQL's columns have ``COLLATE "C"``.
"""

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
ISSUED_FIRST = " ORDER BY CASE WHEN state = 'issued' THEN 0 ELSE 1 END, not_before DESC, id DESC"
CURRENT = ["host = ?", "state = 'issued'", "not_after > ?"]
LATEST_FIRST = " ORDER BY not_before DESC, id DESC"
LATEST = """
state = 'issued' AND NOT EXISTS (
    SELECT 1 FROM certificates AS newer
    WHERE newer.host = certificates.host
        AND (newer.not_before, newer.id) > (certificates.not_before, certificates.id)
        AND newer.directory = certificates.directory AND newer.machine = certificates.machine
        AND newer.state = 'issued')
"""
PLACES = """
SELECT DISTINCT rtrim(directory, replace(directory, '/', '')) FROM certificates
WHERE authority = ? AND machine = ? AND directory <> ''
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
CRL_NUMBER = "SELECT crl_number FROM authorities WHERE id = ?"
RECORD_CRL = """
INSERT INTO crls (authority, number, this_update, next_update, sha256) VALUES (?, ?, ?, ?, ?)
"""
LATEST_CRL = """
SELECT authority, number, this_update, next_update, sha256 FROM crls
WHERE authority = ? ORDER BY number DESC LIMIT 1
"""

EVENT = "INSERT INTO events (at, who, what, subject, detail) VALUES (?, ?, ?, ?, ?)"
SELECT_EVENT = "SELECT at, who, what, subject, detail FROM events"
NEWEST_FIRST = " ORDER BY id DESC"


def where(select: str, conditions: list[str], order: str, limit: int | None) -> str:
    """Put a statement together; the parts are constants of this module."""
    text = select + (" WHERE " + " AND ".join(conditions) if conditions else "") + order
    return text if limit is None else text + " LIMIT ?"
