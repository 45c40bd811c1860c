"""A PKCS #11 token of SoftHSM in a directory, looked at with GnuTLS' p11tool."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from admin import Admin, peer

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
LABEL, PIN, SO_PIN = "relays", "polka-4711", "12345678"
"""No hex, no base64 and no list of processes has that PIN by chance."""
URI = f"pkcs11:token={LABEL}?module-path={MODULE}"


@dataclass(frozen=True)
class Token:
    """Its directory, and the URI that names it."""

    home: Path
    label: str = LABEL

    @property
    def uri(self) -> str:
        return f"pkcs11:token={self.label}?module-path={MODULE}"

    @property
    def env(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.home / "softhsm2.conf")}

    def for_(self, admin: Admin) -> Admin:
        """Return the administrator with this token plugged in."""
        return replace(admin, env={**admin.env, **self.env})

    def tool(self, *words: str, status: int | None = 0) -> str:
        own = {**self.env, "GNUTLS_PIN": PIN}
        return peer("p11tool", "--provider", MODULE, "--login", *words, env=own, status=status)

    def objects(self, kind: str = "--list-all") -> str:
        return self.tool(kind, f"pkcs11:token={self.label}")

    def make_key(self, label: str, key_id: str, *more: str) -> None:
        """Make a P-256 pair with another program."""
        named = ("--label", label, "--id", key_id, *more)
        self.tool("--generate-privkey", "ecc", "--curve", "secp256r1", *named, f"pkcs11:token={self.label}")

    def delete(self, which: str) -> None:
        """Delete the objects that these attributes of a URI fit."""
        self.tool("--delete", "--batch", f"pkcs11:token={self.label};{which}")

    def replace_key(self, named: str) -> None:
        """Make another pair under the name and id that the first line of a file gives."""
        given = dict(part.split("=", 1) for part in named.partition("?")[0].split(";"))
        self.delete("type=private")
        self.delete("type=public")
        self.make_key(given["object"].replace("%20", " "), given["id"].replace("%", "").lower())

    def keys(self) -> int:
        return self.tool("--list-privkeys", f"pkcs11:token={self.label}", status=None).count(
            "Type: Private key"
        )


def make(home: Path, label: str = LABEL, pin: str = PIN) -> Token:
    """Make a token with a PIN; a second one in the same place gets another label."""
    tokens = home / "tokens"
    tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = home / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    made = Token(home, label)
    pins = ("--pin", pin, "--so-pin", SO_PIN)
    peer("softhsm2-util", "--init-token", "--free", "--label", label, *pins, env=made.env)
    return made


def unplug(token: Token) -> None:
    """Take it away: no token is found any more."""
    os.rename(token.home / "tokens", token.home / "away")
    (token.home / "tokens").mkdir()
