"""What a person waits for: one command at a time, beside what does the same."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from .measure import PROGRAM, Cost, Figure, cost, in_turn

EASY_RSA = "/usr/share/easy-rsa"
DOMAIN = "polkatistas.org"
PYTHON = ("python3", "-c", "pass")


def figures(place: Path, hosts: int) -> Iterator[Figure]:
    """Measure the start, one certificate, one account, and the screens of an authority with many hosts."""
    python = (sys.executable, "-c", "pass")
    for option in ("--version", "--help"):
        yield in_turn(
            option,
            lambda _, option=option: cost((*PROGRAM, option)),  # type: ignore[misc]
            "python -c pass",
            lambda _: cost(python),
            goal=3.5,
        )
    yield from _certificates(place)
    yield from _accounts(place)
    yield from _screens(place, hosts)


def ours(root: Path, *words: str) -> Callable[[int], Cost]:
    """Return what runs a command; ``@`` stands for the round."""
    return lambda number: cost(
        (*PROGRAM, "--root", str(root), *(word.replace("@", str(number)) for word in words))
    )


def authority(root: Path) -> Path:
    """Return a root with an authority and a configured domain."""
    (root / "etc/smtpcreds").mkdir(parents=True)
    settings = root / "etc/smtpcreds/smtpcreds.toml"
    settings.write_text(f'domain = "{DOMAIN}"\nhub = "dmzmail.{DOMAIN}"\n')
    settings.chmod(0o600)
    cost((*PROGRAM, "--root", str(root), "ca", "init", "--no-passphrase"))
    return root


def _certificates(place: Path) -> Iterator[Figure]:
    root = authority(place / "one")
    easy = _easy_rsa(place / "easy-rsa")
    rivals = {
        "certtool": _certtool(place / "certtool"),
        "mkcert": _mkcert(place / "mkcert"),
        "easy-rsa": easy,
    }
    for name, rival in rivals.items():
        yield in_turn("cert issue", ours(root, "cert", "issue", f"{name}@"), name, rival)
    yield in_turn("cert renew", ours(root, "cert", "renew", "mkcert@"))
    revoked = _easy_rsa_words(place / "easy-rsa", "revoke", "h@")
    yield in_turn("cert revoke", ours(root, "cert", "revoke", "easy-rsa@"), "easy-rsa", revoked)
    fresh = place / "fresh"
    fresh.mkdir()

    def init(number: int) -> Cost:
        return cost((*PROGRAM, "--root", str(fresh / str(number)), "ca", "init", "--no-passphrase"))

    for number in range(10):
        (fresh / str(number)).mkdir()
    yield in_turn("ca init", init, "easy-rsa", lambda number: _easy_rsa_init(fresh / f"easy{number}"))


def _accounts(place: Path) -> Iterator[Figure]:
    for count in (0, 10_000):
        root = place / f"accounts-{count}"
        root.mkdir()
        database, theirs = root / "sasldb2", root / "theirs"
        if count:
            table = root / "accounts.csv"
            table.touch(0o600)
            table.write_text(
                "user,password\n"
                + "".join(f"user{n:06d}@{DOMAIN},Generated-{n * 7919:08x}-secret\n" for n in range(count))
            )
            cost((*PROGRAM, "sasl", "import", str(table), "--database", str(database)))
            shutil.copy(database, theirs)
        yield in_turn(
            f"sasl add into {count:,}",
            ours(root, "sasl", "add", "new@", "--realm", DOMAIN, "--database", str(database)),
            "saslpasswd2",
            lambda number, theirs=theirs: cost(  # type: ignore[misc]
                ("saslpasswd2", "-f", str(theirs), "-p", "-u", DOMAIN, f"new{number}"), stdin=b"secret"
            ),
        )


def _screens(place: Path, hosts: int) -> Iterator[Figure]:
    for count in sorted({hosts // 10, hosts // 3, hosts}):
        root = _trusting_the_public(authority(place / f"hosts-{count}"))
        names = root / "hosts.csv"
        names.write_text("".join(f"host{number}\n" for number in range(count)))
        cost((*PROGRAM, "--root", str(root), "cert", "issue", "--from", str(names)))
        for words in (("cert", "list"), ("status",), ("inventory", "check"), ("audit",)):
            yield in_turn(f"{' '.join(words)}, {count:,} hosts", ours(root, *words), rounds=3)


def _trusting_the_public(root: Path) -> Path:
    """Put the public CAs of this system where ``audit`` looks for them, as every host has them."""
    public = Path("/etc/ssl/certs/ca-certificates.crt")
    if public.exists():
        there = root / public.relative_to("/")
        there.parent.mkdir(parents=True)
        shutil.copy(public, there)
    return root


def _certtool(place: Path) -> Callable[[int], Cost]:
    place.mkdir()
    key, certificate, template = (str(place / name) for name in ("ca.key", "ca.crt", "ca.cfg"))
    Path(template).write_text("cn = CA\nca\ncert_signing_key\nexpiration_days = 3650\n")
    cost(("certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", key))
    own = ("--load-privkey", key, "--template", template)
    cost(("certtool", "--generate-self-signed", *own, "--outfile", certificate))

    def issue(number: int) -> Cost:
        mine, wanted = str(place / f"{number}.key"), place / f"{number}.cfg"
        wanted.write_text(f"cn = h{number}\ndns_name = h{number}.{DOMAIN}\ntls_www_server\ntls_www_client\n")
        made = cost(("certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", mine))
        signer = ("--load-ca-certificate", certificate, "--load-ca-privkey", key)
        options = ("--load-privkey", mine, *signer, "--template", str(wanted))
        signed = cost(("certtool", "--generate-certificate", *options, "--outfile", f"{mine}.crt"))
        memory = max(made.memory, signed.memory)
        return Cost(made.wall + signed.wall, made.processor + signed.processor, memory)

    return issue


def _mkcert(place: Path) -> Callable[[int], Cost]:
    place.mkdir()
    words = ("env", f"CAROOT={place}", "mkcert", "-ecdsa")
    return lambda number: cost((*words, f"h{number}.{DOMAIN}"), where=place)


def _easy_rsa_words(place: Path, *words: str) -> Callable[[int], Cost]:
    start = ("env", "EASYRSA_BATCH=1", "EASYRSA_ALGO=ec", f"EASYRSA_PKI={place}/pki", f"{EASY_RSA}/easyrsa")
    return lambda number: cost((*start, *(word.replace("@", str(number)) for word in words)), where=place)


def _easy_rsa_init(place: Path) -> Cost:
    place.mkdir()
    _easy_rsa_words(place, "init-pki")(0)
    return _easy_rsa_words(place, "build-ca", "nopass")(0)


def _easy_rsa(place: Path) -> Callable[[int], Cost]:
    _easy_rsa_init(place)
    return _easy_rsa_words(place, "build-client-full", "h@", "nopass")
