"""A hub whose accounts are replaced, and what libsasl2 says of them."""

import json
from pathlib import Path
from typing import Any

import sasl_oracle
from admin import HUB, Admin

from smtpcreds.accounts.stored import CLEAR, Form, Hashed, form_of
from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.model import Account
from smtpcreds.mta.auth_info import parse
from smtpcreds.sasldb.opening import open_store
from smtpcreds.sasldb.records import properties

from .bulk_scene import bulk_hub

OLD, NEW = f"maildroid@{HUB}", f"maildroid-2@{HUB}"
ALL = set(sasl_oracle.MECHANISMS)
STORED: dict[tuple[str, ...], tuple[Form, set[str]]] = {
    (): (CLEAR, ALL),
    ("--hashed",): (Hashed(), {"SCRAM-SHA-256"}),
    ("--hashed", "--also", "CRAM-MD5"): (Hashed(also=("CRAM-MD5",)), {"SCRAM-SHA-256", "CRAM-MD5"}),
    ("--hashed", "--also", "PLAIN"): (Hashed(also=("PLAIN",)), {"SCRAM-SHA-256", "PLAIN", "LOGIN"}),
    (
        *("--hashed", "--scram", "SCRAM-SHA-512", "--iterations", "5000"),
        *("--also", "CRAM-MD5", "--also", "DIGEST-MD5", "--also", "PLAIN"),
    ): (
        Hashed("SCRAM-SHA-512", 5000, ("CRAM-MD5", "DIGEST-MD5", "PLAIN")),
        {"SCRAM-SHA-512", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN"},
    ),
}


class Hub(Admin):
    """A hub with an administrator who replaces accounts."""

    def data(self, *words: object) -> Any:
        return json.loads(self.sasl(*words, "--json"))

    def add(self, *words: object) -> None:
        self.sasl("add", "maildroid", *words, "--password", self.secret("kept"))

    def client(self, name: str = "maildroid-2") -> Path:
        return self.root / "var/lib/smtpcreds/clients" / name / "default-auth-info"

    def held(self, name: str = "maildroid-2") -> dict[str, bytes]:
        return properties(open_store(str(self.database)).load(), Account(name, HUB))

    def form(self, name: str = "maildroid-2") -> Form:
        return form_of(Account(name, HUB), self.held(name))

    def opened(self, secret: bytes, name: str = "maildroid-2") -> set[str]:
        return self.opened_by(name, secret)

    def states(self) -> list[str]:
        path = self.root / "var/lib/smtpcreds/inventory.sqlite3"
        with open_inventory(path, read_only=True) as inventory:
            return [row.state.value for row in inventory.rotations.history()][::-1]


def rotating_hub(directory: Path) -> Hub:
    return Hub(bulk_hub(directory).root)


def secret_in(path: Path) -> bytes:
    assert path.stat().st_mode & 0o777 == 0o600
    return parse(path.read_bytes(), str(path)).secret.reveal()
