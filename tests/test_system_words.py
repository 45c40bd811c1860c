"""What differs by system stands in its table alone: no other module spells a command, user or path of one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "smtpcreds"
TABLE = "systems.py"
RULES = {
    "package manager": r"\b(?:(?:apt|apt-get|dnf|yum|apk|pkg) (?:add|install|remove|update)|pacman -|dpkg)",
    "package": r"\b(?:libsasl2-modules|cyrus-sasl-|ca-certificates\b|libpq5\b|softhsm2\b|yubico-piv-tool\b"
    r"|postgresql-libs\b|py(?:thon)?3-\w+|python-(?:psycopg|dnspython|lmdb)\b)|\(Debian: |Debian's age\b",
    "init": r"\b(?:systemctl|rc-service|rc-update|rcctl|sysrc|update-rc\.d|invoke-rc\.d|pidof)\b"
    r"|\bservice \S+ (?:start|stop|reload|restart)",
    "Debian's command": r"\bupdate-(?:exim4\.conf|ca-certificates)\b|\bexim4\b(?!\.conf)",
    "user": r"\b(?:Debian-exim|smmta|smmsp|mailnull|nullmail|dovenull|_smtpd|smtpq)\b",
    "configuration": r"/etc/(?:exim4?|postfix|dovecot|nullmailer|opensmtpd|smtpd|sasl2?|dma|ssl|pki|default"
    r"|sysconfig|conf\.d|sasldb2|msmtprc|smtpd\.conf|rc\.conf|mailname)\b",
    "place": r"/usr/(?:local|pkg|lib|lib64|libexec|share|s?bin)\b|/var/(?:spool|run|lib)\b|(?<!\w)/run\b"
    r"|linux-gnu",
}
_RULE = re.compile("|".join(f"(?:{rule})" for rule in RULES.values()))
ALLOWED = {
    ("audit/dovecot.py", "/var/spool/"): "the queues of all mail servers are below it on all systems",
    ("bundle/client_files.py", "/var/lib/postfix"): "Postfix' own default, on all systems that have systemd",
    ("bundle/client_files.py", "systemctl enable --now smtpcreds-pull.timer"): "the unit is systemd's own",
    ("bundle/client_files.py", "\nPATH=/usr/local/sbin"): "PATH of all systems; asks whether systemd runs",
    ("bundle/client_files.py", "/run/systemd/system"): "where systemd says so, on every system that has it",
    ("bundle/client_files.py", "if command -v exim4"): "asks the client host which name its Exim has",
    ("config.py", "/var/lib/smtpcreds"): "our own, documented, the same everywhere, and a setting",
    ("host_name.py", "/etc/mailname"): "Debian's; where there is none the host's own name does",
    ("mta/dma.py", "/etc/dma/"): "the same on Debian, Fedora and in FreeBSD's base",
    ("mta/msmtp.py", "msmtp 1.8, for programs"): "the name that programs call on every system",
    ("mta/msmtp.py", "/etc/ssl/smtpcreds"): "a directory of our own, the same everywhere",
}
"""Module and beginning of a literal, and why it may stand there."""


def literals(source: str) -> Iterator[str]:
    """Yield the texts of a module, those of f-strings in pieces, without docstrings."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) and id(node) not in documentation else None
        if isinstance(value, str | bytes):
            yield value if isinstance(value, str) else value.decode("latin-1")


def spelt_out() -> tuple[tuple[str, str], ...]:
    """Return module and text of what is of one system."""
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    suspects = {name: source for name, source in sources.items() if name != TABLE and _RULE.search(source)}
    return tuple(
        (name, text) for name, source in suspects.items() for text in literals(source) if _RULE.search(text)
    )


def test_no_module_but_the_table_spells_out_what_differs_by_system() -> None:
    found = spelt_out()
    needed = {
        (module, start)
        for module, start in ALLOWED
        for name, text in found
        if is_of(name, text, module, start)
    }
    left = [(n, text[:100]) for n, text in found if not any(is_of(n, text, *each) for each in ALLOWED)]
    assert left == []
    assert needed == set(ALLOWED)


def is_of(name: str, text: str, module: str, start: str) -> bool:
    return name == module and text.startswith(start)


@pytest.mark.parametrize(
    "line",
    [
        'hint = "apt-get install libsasl2-modules"',
        'cure = f"{edit} && systemctl restart postfix"',
        'RESTART = "service postfix restart"',
        'USER = "Debian-exim"',
        'PATH = b"/etc/exim4/passwd"',
        'QUEUE = "/var/spool/exim"',
        'PLUGINS = "/usr/lib/x86_64-linux-gnu/sasl2"',
        'hint = "it uses the system\'s libpq (Debian: libpq5)"',
        'hint = f"or let Debian\'s age do it: {instead}"',
        'hint = "install python3-lmdb"',
    ],
)
def test_the_rule_finds(line: str) -> None:
    assert [text for text in literals(f'"""/etc/exim4"""\n{line}\n') if _RULE.search(text)] != []
    assert not any(_RULE.search(text) for text in literals('"""apt-get install, /etc/exim4"""\n'))
