"""Cyrus SASL with another database: Debian's libsasl2, and its plugin sasldb built with GDBM or LMDB.

The plugin is compiled from Debian's source package, as ``./configure --with-dblib=gdbm|lmdb`` does it; the
headers and libraries are Debian's, too.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from lab.debs import AS_ROOT, unpacked

from smtpcreds.sasldb.detect import Format

TESTS = Path(__file__).parents[1]
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PARTS = ("plugins/sasldb.c", "plugins/sasldb_init.c", "sasldb/allockey.c", "common/plugin_common.c")
LIBRARY = {Format.GDBM: "libgdbm.so.6", Format.LMDB: "liblmdb.so.0"}
INCLUDED = ("include", "common", "plugins", "lib", "sasldb")
CONFIGURED = """
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <netdb.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#define SASL_DB_PATH "/etc/sasldb2"
#define HAVE_GETADDRINFO 1
#define HAVE_GETNAMEINFO 1
#define HAVE_SOCKLEN_T 1
#define HAVE_STRUCT_SOCKADDR_STORAGE 1
"""
"""What of config.h these files need."""
LOGIN = """
import sys, pathlib, sasl_oracle
opened = [sasl_oracle.checkpass(pathlib.Path(sys.argv[1]), user, 'r', b'secret') for user in sys.argv[2:]]
print(*map(int, opened), flush=True)
sys.stdin.readline()
__import__('os')._exit(0)
"""
"""Ends as daemons do, without closing the database."""


@cache
def plugins(kind: Format) -> Path:
    """Return a directory of plugins for libsasl2 that holds one for sasldb in this format."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smtpcreds-tests" / "cyrus-sasl"
    plugin = home / kind / "libsasldb.so"
    if not plugin.exists():
        plugin.parent.mkdir(parents=True, exist_ok=True)
        _compile(_source(home), kind, plugin)
    return plugin.parent


def _source(home: Path) -> Path:
    """Return Debian's source of Cyrus SASL, unpacked."""
    option = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    lists = home / "lists"
    lists.mkdir(exist_ok=True)
    sources = home / "sources.list"
    sources.write_text("".join(f"deb-src {option}{place}\n" for place in _archives()))
    places = (
        f"Dir::Etc::sourcelist={sources}",
        "Dir::Etc::sourceparts=/nonexistent",
        f"Dir::State::lists={lists}",
    )
    options = [*AS_ROOT, *(word for place in places for word in ("-o", place))]
    for words in (["update"], ["source", "--tar-only", "cyrus-sasl2"]):
        subprocess.run(["apt-get", "-qq", *options, *words], cwd=home, check=True, capture_output=True)
    (archive,) = home.glob("cyrus-sasl2_*.orig.tar.xz")
    subprocess.run(["tar", "-xf", archive.name], cwd=home, check=True)
    (source,) = home.glob("cyrus-sasl-*/")
    return source


def _archives() -> list[str]:
    """Return where this host gets the release's own packages from, as lines of sources.list go on."""
    words = ("--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages", "Origin: Debian")
    found = subprocess.run(["apt-get", "indextargets", *words], check=True, capture_output=True, text=True)
    return sorted({line for line in found.stdout.splitlines() if "-" not in line.split()[1]})


def _compile(source: Path, kind: Format, plugin: Path) -> None:
    (source / "config.h").write_text(CONFIGURED)
    tree = unpacked(f"lib{kind}-dev") / "usr"
    libraries = [str(path) for path in (tree / "lib").glob("*-linux-gnu")]
    included = [f"-I{path}" for path in (source, *(source / name for name in INCLUDED), tree / "include")]
    new = plugin.with_name(f".{os.getpid()}")
    found = [f"-L{path}" for path in libraries] + [f"-Wl,-rpath,{path}" for path in libraries]
    words = [
        "gcc",
        "-w",
        "-shared",
        "-fPIC",
        *included,
        *PARTS,
        f"sasldb/db_{kind}.c",
        *found,
        f"-l:{LIBRARY[kind]}",
        "-o",
    ]
    subprocess.run([*words, str(new)], cwd=source, check=True, capture_output=True)
    new.rename(plugin)


def login(path: Path, kind: Format, *users: str) -> "subprocess.Popen[str]":
    """Start a process in which libsasl2 looks users of realm r up, all of whom have the password ``secret``.

    It prints 1 for each that was let in, and ends when its standard input does.
    """
    return subprocess.Popen(
        [sys.executable, "-c", LOGIN, str(path), *users],
        env={**os.environ, "SASL_PATH": str(plugins(kind)), "PYTHONPATH": str(TESTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def logs_in(path: Path, kind: Format, *users: str) -> list[bool]:
    """Tell which users are let in, by a process of their own."""
    said = login(path, kind, *users).communicate("\n", timeout=600)[0]
    return [word == "1" for word in said.split()]
