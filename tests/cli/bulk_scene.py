"""A hub whose accounts come in bulk and are replaced, on a host with logins."""

from pathlib import Path

from admin import HUB, Admin


def bulk_hub(directory: Path) -> Admin:
    """Return the hub; its root is in the directory."""
    admin = Admin(directory / "root")
    admin.configure()
    admin.write("/etc/passwd", "root:x:0:0::/:/bin/sh\npolkafan:x:1000:1000::/:/bin/sh\n", 0o644)
    return admin


def key(user: str, realm: str = HUB, prop: str = "userPassword") -> bytes:
    return f"{user}\0{realm}\0{prop}".encode()
