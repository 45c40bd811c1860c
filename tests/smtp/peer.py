"""A server of our own that does as it is told, however wrong: one script for each connection."""

import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

PATIENCE = 120.0
NAME = "peer.example"


class Talk:
    """The server's side of one connection."""

    def __init__(self, handle: socket.socket, peer: "Peer") -> None:
        self.handle = handle
        self.peer = peer
        self._rest = b""

    @property
    def tls(self) -> bool:
        return isinstance(self.handle, ssl.SSLSocket)

    def say(self, *lines: str | bytes) -> None:
        """Send lines, each with CRLF, all at once."""
        octets = [line.encode() if isinstance(line, str) else line for line in lines]
        self.raw(b"".join(line + b"\r\n" for line in octets))

    def raw(self, octets: bytes) -> None:
        self.handle.sendall(octets)

    def hear(self) -> str:
        """Return the client's next line; empty when it has gone."""
        while b"\n" not in self._rest:
            octets = self.handle.recv(4096)
            if not octets:
                return ""
            self._rest += octets
        line, _, self._rest = self._rest.partition(b"\n")
        text = line.rstrip(b"\r").decode(errors="backslashreplace")
        self.peer.heard.append(text)
        return text

    def secure(self) -> None:
        assert self.peer.context
        self.handle = self.peer.context.wrap_socket(self.handle, server_side=True)


Script = Callable[[Talk], None]


class Peer:
    """Listens on 127.0.0.1 and runs the script with each client.

    Attributes:
        heard: every line of every client.
        faults: exceptions of the script that are not the client's going away.
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.heard: list[str] = []
        self.faults: list[BaseException] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._talks: list[Talk] = []
        self._ended = False

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for talk in self._talks:
            with suppress(OSError):
                talk.handle.shutdown(socket.SHUT_RDWR)
            talk.handle.close()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert not self.faults, self.faults

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended:
            try:
                handle, _ = self._server.accept()
            except OSError:
                return
            handle.settimeout(PATIENCE)
            talk = Talk(handle, self)
            self._talks.append(talk)
            self._start(lambda talk=talk: self._serve(talk))  # type: ignore[misc]

    def _serve(self, talk: Talk) -> None:
        try:
            self.script(talk)
        except (OSError, ValueError):  # the client has gone, or the test is over
            pass
        except BaseException as error:  # noqa: BLE001  # shown by the test, which would wait in vain otherwise
            self.faults.append(error)
        finally:
            with suppress(OSError):
                talk.handle.close()


Answer = Callable[[Talk, str], None]


def honest(
    auth: Answer | None = None,
    *,
    before: str = "",
    after: str = "PLAIN",
    starttls: Script | None = None,
    offers_tls: bool = True,
    final: bool = True,
) -> Script:
    """Return the script of a server that speaks SMTP.

    Args:
        auth: gets the connection and the AUTH line, and answers it; None refuses.
        before: the mechanisms offered in clear text.
        after: those inside TLS.
        starttls: instead of an honest STARTTLS.
        offers_tls: EHLO says so.
        final: answer QUIT.
    """

    def serve(talk: Talk) -> None:
        talk.say(f"220 {NAME} ESMTP")
        while line := talk.hear():
            verb = line.split()[0].upper()
            if verb == "EHLO":
                talk.say(*_offers(talk, before, after, offers_tls=offers_tls))
            elif verb == "STARTTLS":
                (starttls or _starttls)(talk)
            elif verb == "AUTH" and auth:
                auth(talk, line)
            elif verb == "QUIT" and final:
                talk.say("221 bye")
                return
            else:
                talk.say({"AUTH": "503 5.5.1 AUTH not available"}.get(verb, "250 ok"))

    return serve


def _offers(talk: Talk, before: str, after: str, *, offers_tls: bool) -> list[str]:
    mechanisms = after if talk.tls else before
    keywords = [NAME, *([f"AUTH {mechanisms}"] if mechanisms else [])]
    keywords += ["STARTTLS"] if offers_tls and not talk.tls else []
    return [f"250-{keyword}" for keyword in keywords[:-1]] + [f"250 {keywords[-1]}"]


def _starttls(talk: Talk) -> None:
    talk.say("220 ready")
    talk.secure()


def decoded(word: str) -> bytes:
    return b64decode(word) if word != "=" else b""
