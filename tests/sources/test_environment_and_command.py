import os
import shlex
import sys
from pathlib import Path

import pytest

from smtpcreds.errors import DataError, MissingInputError, UnavailableError
from smtpcreds.sources import MAX_SECRET, Context, parse_source, resolve

CONTEXT = Context("password")


def read(text: str) -> bytes:
    return resolve(parse_source(text), CONTEXT).reveal()


def python(code: str) -> str:
    return f"cmd:{shlex.join([sys.executable, '-c', code])}"


class TestEnvironment:
    def test_read_and_removed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CA_PASS", "ge heim")
        assert read("env:CA_PASS") == b"ge heim"
        assert "CA_PASS" not in os.environ

    def test_octets_that_are_not_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environb, b"CA_PASS", b"p\xe4ss")
        assert read("env:CA_PASS") == b"p\xe4ss"

    @pytest.mark.parametrize("value", [None, "", "\n"])
    def test_unset_or_empty(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        monkeypatch.delenv("CA_PASS", raising=False)
        if value is not None:
            monkeypatch.setenv("CA_PASS", value)
        with pytest.raises(MissingInputError, match=r"env:CA_PASS: (is not set|is empty)"):
            read("env:CA_PASS")

    def test_no_child_sees_it_in_whatever_order_sources_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CA_PASS", "geheim")
        command = parse_source(python("import os; print('CA_PASS' in os.environ)"))
        variable = parse_source("env:CA_PASS")
        assert resolve(command, CONTEXT).reveal() == b"False"
        assert resolve(variable, CONTEXT).reveal() == b"geheim"
        assert resolve(variable, CONTEXT).reveal() == b"geheim"

    def test_repr_does_not_show_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CA_PASS", "geheim")
        assert "geheim" not in repr(parse_source("env:CA_PASS"))


class TestCommand:
    def test_output(self) -> None:
        assert read("cmd:printf 'ge heim\\n'") == b"ge heim"

    def test_no_shell(self) -> None:
        assert read("cmd:echo $HOME `id` > file | cat; true") == b"$HOME `id` > file | cat; true"

    def test_its_input_is_empty(self) -> None:
        ours = os.dup(0)
        reader, writer = os.pipe()
        os.write(writer, b"a secret for stdin:\n")
        os.close(writer)
        os.dup2(reader, 0)
        try:
            assert read(python("import sys; print(repr(sys.stdin.read()))")) == b"''"
        finally:
            os.dup2(ours, 0)
            os.close(ours)
            os.close(reader)

    def test_its_errors_pass(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert (
            read(python("import sys; print('geheim'); print('touch the key', file=sys.stderr)")) == b"geheim"
        )
        assert capfd.readouterr() == ("", "touch the key\n")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (python("print('geheim'); raise SystemExit(3)"), "failed with exit status 3"),
            (python("import os; os.kill(os.getpid(), 9)"), "was killed by signal 9"),
            ("cmd:/nonexistent/program --token hunter2", "can't be run: No such file or directory"),
            ("cmd:/etc/passwd", "can't be run: Permission denied"),
            ("cmd:/", "can't be run: Permission denied"),
        ],
    )
    def test_failures(self, text: str, reason: str) -> None:
        with pytest.raises(UnavailableError, match=reason) as caught:
            read(text)
        assert "geheim" not in repr(caught.value)
        assert "hunter2" not in repr(caught.value)

    def test_empty_output(self) -> None:
        with pytest.raises(MissingInputError, match="cmd:true"):
            read("cmd:true")

    def test_program_that_never_stops(self) -> None:
        with pytest.raises(DataError, match=str(MAX_SECRET)):
            read("cmd:yes geheim")

    def test_program_that_prints_too_much_and_waits(self) -> None:
        with pytest.raises(DataError, match=str(MAX_SECRET)):
            read(python(f"import time; print('x' * {MAX_SECRET + 2}, flush=True); time.sleep(600)"))

    def test_nul(self, tmp_path: Path) -> None:
        (tmp_path / "nul").write_bytes(b"a\0b")
        with pytest.raises(DataError, match="NUL"):
            read(f"cmd:cat {tmp_path / 'nul'}")
