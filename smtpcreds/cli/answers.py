"""The form of every JSON answer: one declaration for each verb, and the JSON Schema made of it.

An answer is declared as its keys and what they hold; a key that ends in ``?`` may be missing. Nothing else
may be in an answer: tests hold every answer against its schema.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
Keys = Mapping[str, Schema]

TEXT: Schema = {"type": "string"}
PATH: Schema = {"type": "string", "description": "absolute path of a file or directory"}
PEM: Schema = {"type": "string", "description": "PEM"}
HEX: Schema = {"type": "string", "pattern": "^[0-9a-f]+$"}
TIME: Schema = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
    "description": "RFC 3339, UTC",
}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _or_null(value: Schema) -> Schema:
    return {"anyOf": [value, NULL]}


def _object(keys: Keys) -> Schema:
    return {
        "type": "object",
        "properties": {key.removesuffix("?"): value for key, value in keys.items()},
        "required": [key for key in keys if not key.endswith("?")],
        "additionalProperties": False,
    }


def _rows(keys: Keys) -> Schema:
    return _list(_object(keys))


def _one_of(*words: str) -> Schema:
    return {"enum": list(words)}


TEXTS, PATHS = _list(TEXT), _list(PATH)
COMMANDS: Schema = {**TEXTS, "description": "that bring what was changed to the mail programs of this host"}
PLACE: Schema = {"type": "string", "description": "absolute path of a database, or its URL"}
COUNTS: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}

# Parts that several answers have.

FINDING: Keys = {
    "code": TEXT,
    "severity": _one_of("note", "warning", "error"),
    "subject": TEXT,
    "reason": TEXT,
    "cure": TEXT,
    "repairable": FLAG,
}
CRL: Keys = {
    "number": NUMBER,
    "this_update": TIME,
    "next_update": TIME,
    "count": NUMBER,
    "path": PATH,
    "copies": PATHS,
}
ISSUED: Keys = {
    "host": TEXT,
    "profile": TEXT,
    "names": TEXTS,
    "key_type": TEXT,
    "serial": HEX,
    "not_before": TIME,
    "not_after": TIME,
    "shortened": FLAG,
    "fingerprint": HEX,
    "key": PATH,
    "certificate": PATH,
}
AUTHORITY: Keys = {
    "name": TEXT,
    "subject": TEXT,
    "access_issuer": TEXT,
    "key_type": TEXT,
    "serial": HEX,
    "not_before": TIME,
    "not_after": TIME,
    "days_left": NUMBER,
    "fingerprint": HEX,
    "public_key": HEX,
    "permitted_domains": TEXTS,
    "path_length": _or_null(NUMBER),
    "above": _rows({"name": TEXT, "not_after": TIME}),
    "key": TEXT,
    "encrypted": _or_null(FLAG),
    "token": _or_null(TEXT),
    "root_key": _or_null(TEXT),
    "crl_number": _or_null(NUMBER),
    "crl_next_update": _or_null(TIME),
    "root_crl_number": _or_null(NUMBER),
    "root_crl_next_update": _or_null(TIME),
    "root_crl_revoked": _or_null(NUMBER),
    "certificates": COUNTS,
}
ROTATION: Keys = {
    "account": TEXT,
    "successor": TEXT,
    "state": TEXT,
    "started": TIME,
    "retire_after": _or_null(TIME),
    "ended": _or_null(TIME),
    "clients": TEXTS,
    "database": PLACE,
    "file": _or_null(PATH),
    "secret": TEXTS,
}
STORED: Keys = {
    "account": TEXT,
    "database": PLACE,
    "stored": _one_of("hashed", "clear"),
    "mechanisms": TEXTS,
    "secret": TEXTS,
}
REMAINING: Keys = {
    "include": _rows({"file": PATH, "lines": TEXTS, "where": TEXT}),
    "commands": TEXTS,
    "usage": TEXTS,
}
CHECK: Keys = {"path": TEXT, "what": TEXT, "hint": TEXT}
APPLIED: Keys = {
    "files": _rows({"path": PATH, "written": FLAG}),
    "edited": _rows({"path": PATH, "former": _or_null(PATH)}),
    "unmet": _rows(CHECK),
    "ran": TEXTS,
    **REMAINING,
}
PARTS = _rows({"what": TEXT, "path": PATH, "made": FLAG})
ZONE: Keys = {
    "host": TEXT,
    "ports": _list(NUMBER),
    "ttl": _or_null(NUMBER),
    "records": TEXTS,
    "lines": TEXTS,
    "stage": _or_null(TEXT),
}
REFUSED = _rows({"where": TEXT, "reason": TEXT})
FAILED = _rows({"host": TEXT, "error": TEXT})
ACCOUNT: Keys = {"account": TEXT, "properties": TEXTS, "mechanisms": TEXTS}
SERIAL: Keys = {"serial": HEX, "not_after": TIME}

BACKUP: Keys = {
    "name": TEXT,
    "host": TEXT,
    "at": TIME,
    "members": NUMBER,
    "certificates": NUMBER,
    "head": _or_null(_object({"hash": HEX, "events": NUMBER})),
    "key_encrypted": FLAG,
    "token": _or_null(TEXT),
}

PLAN: Keys = {
    "dry_run": {"const": True},
    "plan": _rows({"action": TEXT, "target": TEXT, "mode": _or_null(TEXT), "note": TEXT}),
}
"""Of every verb with ``--dry-run``, where that changes what it does."""

ANSWERS: Mapping[str, tuple[Keys, ...]] = {
    "setup": (
        {"host": TEXT, "account": TEXT, "changed": FLAG, "parts": PARTS, **APPLIED},
        {
            "host": TEXT,
            "hub": TEXT,
            "program": TEXT,
            "account": _or_null(TEXT),
            "authority": _object({"sha256": TEXT}),
            "changed": FLAG,
            "parts": PARTS,
            **APPLIED,
        },
    ),
    "bundle": (
        {
            "host": TEXT,
            "program": TEXT,
            "account": _or_null(TEXT),
            "file": PATH,
            "certificate": _object({**SERIAL, "origin": TEXT, "previous": _or_null(TEXT)}),
            "with_key": FLAG,
            "options": TEXT,
            "authority": _object({"sha256": TEXT}),
            "crl_next_update": _or_null(TIME),
            "members": TEXTS,
            **REMAINING,
        },
        {"host": TEXT, "line": TEXT, "file": _or_null(PATH), "added": FLAG},
    ),
    "status": (
        {
            "at": TIME,
            "hub": TEXT,
            "host": TEXT,
            "authorities": _rows(
                {
                    "name": TEXT,
                    "fingerprint": HEX,
                    "not_before": TIME,
                    "not_after": TIME,
                    "days_left": NUMBER,
                    "signs": FLAG,
                    "crl": _or_null(
                        _object(
                            {
                                "number": _or_null(NUMBER),
                                "this_update": TIME,
                                "next_update": _or_null(TIME),
                                "revoked": NUMBER,
                            }
                        )
                    ),
                    "counts": COUNTS,
                }
            ),
            "certificates": _rows(
                {
                    "host": TEXT,
                    "profile": TEXT,
                    **SERIAL,
                    "not_before": TIME,
                    "days_left": NUMBER,
                    "due": FLAG,
                    "revoked": FLAG,
                    "certificate": _or_null(PATH),
                    "machine": _or_null(TEXT),
                }
            ),
            "more_certificates": FLAG,
            "accounts": _object(
                {"database": PLACE, "total": NUMBER, "shown": _rows({"name": TEXT, "clients": TEXTS})}
            ),
            "clients": _rows(
                {
                    "host": TEXT,
                    "fetches": FLAG,
                    "since": TIME,
                    "last_pull": _or_null(TIME),
                    "confirmed": FLAG,
                    "account": TEXT,
                    "serial": TEXT,
                    "ends": _or_null(TIME),
                    "revoked": FLAG,
                }
            ),
            "half_way": _rows(
                {
                    "kind": TEXT,
                    "old": TEXT,
                    "new": TEXT,
                    "since": TIME,
                    "until": _or_null(TIME),
                    "note": TEXT,
                    "next": TEXT,
                }
            ),
            "due": _rows({"kind": TEXT, "subject": TEXT, "reason": TEXT, "cure": TEXT, "count": NUMBER}),
        },
    ),
    "ca init": (
        {
            "name": TEXT,
            "key_type": TEXT,
            "not_after": TIME,
            "fingerprint": HEX,
            "permitted_domains": TEXTS,
            "encrypted": FLAG,
            "directory": PATH,
        },
    ),
    "ca import": (
        {
            "name": TEXT,
            "from": TEXT,
            "key_type": TEXT,
            "not_after": TIME,
            "fingerprint": HEX,
            "certificates": NUMBER,
            "revoked": NUMBER,
            "crl_number": _or_null(NUMBER),
            "encrypted": FLAG,
            "directory": PATH,
        },
    ),
    "ca show": (
        {**AUTHORITY, "superseded": _rows(AUTHORITY), "retired": _rows({"name": TEXT, "fingerprint": HEX})},
    ),
    "ca crl": (
        {**CRL, "copy": _or_null(PATH), "reloaded": FLAG},
        {
            "current": FLAG,
            "number": _or_null(NUMBER),
            "this_update": TIME,
            "next_update": _or_null(TIME),
            "count": NUMBER,
            "path": PATH,
        },
    ),
    "ca export": (
        {"certificates": PEM},
        {"file": PATH},
        {"file": PATH, "encrypted": FLAG, "removed": _or_null(PATH)},
    ),
    "ca passphrase": ({"keys": PATHS, "encrypted": FLAG},),
    "ca rollover": (
        {
            "name": TEXT,
            "key_type": TEXT,
            "not_after": TIME,
            "fingerprint": HEX,
            "old_fingerprint": HEX,
            "old_retired": FLAG,
            "directories": PATHS,
            "hosts": TEXTS,
        },
        {"retired": TEXTS, "revoked": TEXTS, "directories": PATHS},
    ),
    "ca backup": ({**BACKUP, "file": _or_null(PATH)},),
    "ca restore": (BACKUP, {**BACKUP, "kept": PATHS, "aside": _or_null(PATH)}),
    "cert issue": ({"certificates": _rows(ISSUED), "failed": FAILED},),
    "cert renew": (
        {
            "certificates": _rows(
                {
                    **ISSUED,
                    "new_key": FLAG,
                    "previous_key": PATH,
                    "previous_certificate": PATH,
                }
            ),
            "failed": FAILED,
            "crl": _or_null(_object(CRL)),
            "crl_copied_to": PATHS,
            "reloaded": FLAG,
            "findings": _rows(FINDING),
            "rotations": _rows(ROTATION),
            "authority_made": _or_null(TEXT),
            "renewed_early": TEXTS,
            "authorities_retired": TEXTS,
            "not_done": TEXTS,
        },
    ),
    "cert revoke": (
        {
            "revoked": _rows({"host": TEXT, **SERIAL, "fingerprint": _or_null(HEX)}),
            "reason": TEXT,
            "crls": _rows(CRL),
            "in_place": PATHS,
            "reloaded": FLAG,
        },
    ),
    "cert retire": (
        {
            "host": TEXT,
            "revoked": _rows(SERIAL),
            "reason": TEXT,
            "crls": _rows(CRL),
            "removed": PATHS,
            "accounts": TEXTS,
            "accounts_kept": _rows({"account": TEXT, "hosts": TEXTS}),
            "reloaded": FLAG,
        },
    ),
    "cert request": (
        {
            "host": TEXT,
            "names": TEXTS,
            "key_type": TEXT,
            "key": PATH,
            "made_key": FLAG,
            "request": PATH,
            "changed": FLAG,
            "pem": PEM,
        },
    ),
    "cert install": (
        {
            "host": TEXT,
            "profile": TEXT,
            "names": TEXTS,
            "serial": HEX,
            "issuer": TEXT,
            "not_before": TIME,
            "not_after": TIME,
            "fingerprint": HEX,
            "key": PATH,
            "certificate": PATH,
            "trusted": _rows({"subject": TEXT, "fingerprint": HEX}),
        },
    ),
    "cert sign": (
        {
            "host": TEXT,
            "profile": TEXT,
            "names": TEXTS,
            "key_type": TEXT,
            **SERIAL,
            "not_before": TIME,
            "shortened": FLAG,
            "fingerprint": HEX,
            "ignored": TEXTS,
            "file": _or_null(PATH),
            "pem": PEM,
        },
    ),
    "cert list": (
        {
            "certificates": _rows(
                {
                    "host": TEXT,
                    "profile": TEXT,
                    "names": TEXTS,
                    **SERIAL,
                    "state": TEXT,
                    "days_left": NUMBER,
                    "not_before": TIME,
                    "fingerprint": _or_null(HEX),
                    "certificate": _or_null(PATH),
                    "revoked_at": _or_null(TIME),
                    "reason": _or_null(TEXT),
                }
            )
        },
    ),
    "cert show": (
        {
            "certificates": _rows(
                {
                    "title": TEXT,
                    "subject": TEXT,
                    "issuer": TEXT,
                    "access_subject": TEXT,
                    "access_issuer": TEXT,
                    **SERIAL,
                    "dns_names": TEXTS,
                    "addresses": TEXTS,
                    "roles": TEXTS,
                    "key_type": TEXT,
                    "not_before": TIME,
                    "fingerprint": HEX,
                    "public_id": HEX,
                    "is_ca": FLAG,
                    "path_length": _or_null(NUMBER),
                    "permitted_domains": TEXTS,
                    "is_self_issued": FLAG,
                    "days_left": NUMBER,
                    "chain": TEXTS,
                    "chain_fault": _or_null(TEXT),
                    "state": TEXT,
                    "host": _or_null(TEXT),
                    "profile": _or_null(TEXT),
                    "revoked_at": _or_null(TIME),
                    "reason": _or_null(TEXT),
                    "file": _or_null(PATH),
                }
            )
        },
    ),
    "cert verify": (
        {
            "host": _or_null(TEXT),
            "file": PATH,
            "ok": FLAG,
            "checks": _rows({"check": TEXT, "ok": FLAG, "detail": TEXT}),
        },
    ),
    "cert export": (
        {"certificate": TEXT, "format": TEXT, "with_key": FLAG, "file": PATH},
        {"certificate": TEXT, "format": TEXT, "pem": PEM},
    ),
    "sasl add": (STORED,),
    "sasl passwd": ({**STORED, "clients": TEXTS, "stale": TEXTS},),
    "sasl list": ({"accounts": _rows({**ACCOUNT, "remarks": TEXTS})},),
    "sasl show": ({**ACCOUNT, "remarks": TEXTS},),
    "sasl delete": (
        {
            "account": TEXT,
            "database": PLACE,
            "clients": TEXTS,
            "places": TEXTS,
            "rotation": _or_null(TEXTS),
        },
    ),
    "sasl verify": (
        {
            "account": TEXT,
            "opens": FLAG,
            "mechanisms": _rows(
                {
                    "mechanism": TEXT,
                    "records": _or_null(FLAG),
                    "libsasl2": _or_null(FLAG),
                    "reason": _or_null(TEXT),
                }
            ),
        },
    ),
    "sasl convert": (
        {"converted": {"const": False}, "refused": _rows({"account": TEXT, "reason": TEXT})},
        {
            "source": _object({"path": PLACE, "format": TEXT}),
            "target": _object({"path": PLACE, "format": TEXT}),
            "records": NUMBER,
            "accounts": NUMBER,
            "compared": {"const": True},
            "carried": TEXTS,
            "refused": TEXTS,
        },
    ),
    "sasl conf": (
        {"program": TEXT, "file": PATH, "changed": FLAG},
        {"program": TEXT, "file": PATH, "lines": TEXTS},
        {"role": TEXT, "statements": TEXTS},
    ),
    "sasl auth-info": ({"account": TEXT, "login": TEXT, "file": PATH, "changed": FLAG},),
    "sasl rotate": (
        {**ROTATION, "stored": _one_of("hashed", "clear"), "mechanisms": TEXTS},
        ROTATION,
        {"retired": _rows(ROTATION), "failed": TEXTS},
    ),
    "sasl rotations": ({"rotations": _rows(ROTATION)},),
    "sasl import": (
        {"imported": {"const": False}, "refused": REFUSED},
        {
            "imported": {"const": True},
            "database": PLACE,
            "added": TEXTS,
            "replaced": TEXTS,
            "skipped": TEXTS,
            "taken_for": TEXT,
            "refused": REFUSED,
        },
    ),
    "sasl export": (
        {"accounts": _rows(ACCOUNT)},
        {"file": PATH, "format": TEXT, "accounts": NUMBER, "revealed": FLAG},
    ),
    "mta list": (
        {
            "programs": _rows(
                {
                    "name": TEXT,
                    "role": TEXT,
                    "title": TEXT,
                    "choices": TEXTS,
                    "mechanisms": TEXTS,
                    "options": TEXT,
                }
            )
        },
    ),
    "mta render": (
        {
            "program": TEXT,
            "host": TEXT,
            "options": TEXT,
            "files": _rows(
                {
                    "path": PATH,
                    "mode": TEXT,
                    "owner": TEXT,
                    "kind": _one_of("map", "text"),
                    "secret": FLAG,
                    "content": TEXT,
                }
            ),
            **REMAINING,
        },
        {"program": TEXT, "host": TEXT, "files": PATHS, **REMAINING},
    ),
    "mta diff": (
        {
            "program": TEXT,
            "options": TEXT,
            "different": FLAG,
            "files": _rows({"path": PATH, "status": TEXT, "diff": TEXTS}),
        },
    ),
    "mta apply": ({"program": TEXT, "host": TEXT, "options": TEXT, "changed": FLAG, **APPLIED},),
    "mta check": ({"program": TEXT, "host": TEXT, "options": TEXT, "ok": FLAG, "findings": _rows(CHECK)},),
    "tlsa show": (ZONE,),
    "tlsa plan": (
        {
            "host": TEXT,
            "stage": TEXT,
            "since": _or_null(TIME),
            "ready_at": _or_null(TIME),
            "ttl": _or_null(NUMBER),
            "old": _or_null(TEXT),
            "new": _or_null(TEXT),
            "next": TEXT,
        },
    ),
    "tlsa next": (ZONE,),
    "tlsa switch": ({"certificate": _object(ISSUED), "reloaded": FLAG},),
    "tlsa retire": (ZONE,),
    "tlsa texts": ({"domain": TEXT, "host": TEXT, "text": TEXT},),
    "audit": ({"findings": _rows(FINDING), "repaired": NUMBER, "not_there": TEXTS},),
    "probe": (
        {
            "target": TEXT,
            "name": TEXT,
            "account": _or_null(TEXT),
            "ok": FLAG,
            "steps": _rows(
                {
                    "step": TEXT,
                    "outcome": TEXT,
                    "detail": TEXT,
                    "milliseconds": _or_null({"type": "number"}),
                    "cause": _or_null(TEXT),
                    "cure": _or_null(TEXT),
                }
            ),
        },
    ),
    "inventory check": (
        {
            "findings": _rows({"subject": TEXT, "fault": TEXT, "cure": TEXT}),
            "head": _or_null(_object({"hash": HEX, "events": NUMBER})),
        },
    ),
    "inventory events": (
        {"events": _rows({"at": TIME, "who": TEXT, "what": TEXT, "subject": TEXT, "detail": TEXT})},
    ),
    "inventory convert": (
        {
            "source": PLACE,
            "target": PLACE,
            "certificates": NUMBER,
            "events": NUMBER,
            "compared": {"const": True},
            "head": _object({"hash": HEX, "events": NUMBER}),
        },
    ),
}
"""By verb, each form that its answer may have."""

ERROR: Keys = {"kind": TEXT, "status": NUMBER, "what": TEXT, "why": TEXT, "hint": _or_null(TEXT)}
LINES: Mapping[str, Schema] = {"error": _object(ERROR), "warning": TEXT, "note": TEXT}
"""What a line of standard error holds beside ``schema``: one of these."""


def schema_of(verb: str, number: int) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a verb's answer.

    ``$defs/stderr`` is that of each line on standard error.

    Args:
        verb: as it is typed, ``cert issue``.
        number: the value of ``schema`` in every document.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"smtpcreds --json {verb}",
        "anyOf": list(_answers(verb, {"const": number})),
        "$defs": {
            "stderr": {
                "anyOf": [_object({"schema": {"const": number}, key: value}) for key, value in LINES.items()]
            }
        },
    }


def _answers(verb: str, number: Schema) -> Iterator[Schema]:
    for keys in (*ANSWERS[verb], PLAN):
        yield _object({"schema": number, **keys, "apply?": COMMANDS, "warnings": TEXTS})
