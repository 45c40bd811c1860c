"""``stdin:`` and ``fd:N``, in child processes whose descriptors are real pipes, files and terminals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from smtpcreds.sources import MAX_SECRET

ROOT = Path(__file__).parent.parent.parent
READ = """
import sys
from smtpcreds.errors import SmtpcredsError
from smtpcreds.sources import Context, parse_source, resolve
for text in sys.argv[1:]:
    try:
        sys.stdout.buffer.write(resolve(parse_source(text), Context("password")).reveal() + b"|")
    except SmtpcredsError as error:
        print(f"{error.exit_status} {error} ({error.hint})")
"""


def read(
    *sources: str, given: bytes = b"", stdin: int | None = None, pass_fds: tuple[int, ...] = ()
) -> bytes:
    command = [sys.executable, "-c", READ, *sources]
    if stdin is None:
        done = subprocess.run(
            command, input=given, capture_output=True, cwd=ROOT, pass_fds=pass_fds, check=True
        )
    else:
        done = subprocess.run(command, stdin=stdin, capture_output=True, cwd=ROOT, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        (b"geheim", b"geheim"),
        (b"geheim\n", b"geheim"),
        (b"geheim\n\n", b"geheim\n"),
        (b"geheim\r\n", b"geheim\r"),
        (b" ge heim ", b" ge heim "),
        (b"x" * MAX_SECRET, b"x" * MAX_SECRET),
        (b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_whole_input_without_one_line_feed(given: bytes, secret: bytes) -> None:
    assert read("stdin:", given=given) == secret + b"|"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (b"", b"66 stdin: is empty"),
        (b"\n", b"66 stdin: is empty"),
        (b"ge\0heim", b"65 stdin: contains a NUL"),
        (b"x" * (MAX_SECRET + 1), b"65 stdin: contains more than 65536 octets"),
    ],
)
def test_refused(given: bytes, answer: bytes) -> None:
    assert read("stdin:", given=given).startswith(answer)


def test_one_stream_holds_one_secret() -> None:
    first, second = read("stdin:", "stdin:", given=b"geheim\n").split(b"|")
    assert first == b"geheim"
    assert second.startswith(b"66 ")
    assert b"one stream holds one secret" in second


def test_terminal_is_refused() -> None:
    master, terminal = os.openpty()
    try:
        assert read("stdin:", stdin=terminal).startswith(b"77 stdin: is a terminal")
    finally:
        os.close(master)
        os.close(terminal)


def test_descriptor_fed_in_pieces() -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-c", READ, f"fd:{reader}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, pass_fds=(reader,)) as child:
        os.close(reader)
        for piece in (b"ge", b"he", b"im\n"):
            os.write(writer, piece)
        os.close(writer)
        assert child.communicate()[0] == b"geheim|"


def test_descriptors_that_do_not_read(tmp_path: Path) -> None:
    assert read("fd:77").startswith(b"66 fd:77: is not open")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        assert read(f"fd:{directory}", pass_fds=(directory,)).startswith(b"74 ")
    finally:
        os.close(directory)
