"""A hub that lets everybody in, and keeps what they said to log in: PLAIN and LOGIN after STARTTLS."""

import queue
import socketserver
import ssl
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

from lab.process import PATIENCE, LabError
from lab.server import Server

MAX_LINE = 12290
"""RFC 4954 section 4: lines of AUTH may have 12288 octets before their end."""


class Recorder:
    """A server on `address` and `port`; make it inside the network it shall serve."""

    def __init__(self, address: str, port: int, certificate: Path, key: Path) -> None:
        self._logins: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
        self._server = _Server((address, port), _Session)
        self._server.context.load_cert_chain(certificate, key)
        self._server.logins = self._logins
        self._server.start()
        self.close = self._server.close

    def login(self) -> tuple[bytes, bytes]:
        """Return authcid and secret of the oldest login not asked for yet.

        Raises:
            LabError: nobody logged in.
        """
        try:
            return self._logins.get(timeout=PATIENCE)
        except queue.Empty:
            raise LabError("nobody logged in") from None


class _Server(Server):
    logins: queue.Queue[tuple[bytes, bytes]]

    def __init__(self, address: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(address, handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


class _Session(socketserver.BaseRequestHandler):
    """One connection; everything but AUTH, STARTTLS and DATA is answered with 250."""

    server: _Server

    def handle(self) -> None:
        self.stream = self.request.makefile("rwb")
        self.reply("220 recorder ESMTP")
        while line := self.stream.readline(MAX_LINE + 1):
            words = line.split()
            verb = words[0].upper() if words else b""
            {b"EHLO": self.ehlo, b"STARTTLS": self.starttls, b"AUTH": self.auth, b"DATA": self.data}.get(
                verb, self.ok
            )(words)
            if verb == b"QUIT":
                return

    def finish(self) -> None:
        with suppress(OSError):
            self.stream.close()
        self.request.close()

    def reply(self, text: str) -> None:
        self.stream.write(f"{text}\r\n".encode())
        self.stream.flush()

    def ask(self, text: str) -> bytes:
        self.reply(text)
        return b64decode(self.stream.readline(MAX_LINE + 1), validate=False)

    def ok(self, words: list[bytes]) -> None:
        self.reply("250 ok")

    def ehlo(self, words: list[bytes]) -> None:
        encrypted = isinstance(self.request, ssl.SSLSocket)
        self.reply(f"250-recorder\r\n250 {'AUTH PLAIN LOGIN' if encrypted else 'STARTTLS'}")

    def starttls(self, words: list[bytes]) -> None:
        self.reply("220 go on")
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.stream = self.request.makefile("rwb")

    def auth(self, words: list[bytes]) -> None:
        if words[1].upper() == b"PLAIN":
            said = b64decode(words[2]) if words[2:] else self.ask("334 ")
            _, login, secret = said.split(b"\0")
        else:
            login = b64decode(words[2]) if words[2:] else self.ask("334 VXNlcm5hbWU6")
            secret = self.ask("334 UGFzc3dvcmQ6")
        self.server.logins.put((login, secret))
        self.reply("235 welcome")

    def data(self, words: list[bytes]) -> None:
        self.reply("354 go on")
        while self.stream.readline(MAX_LINE + 1) not in {b".\r\n", b""}:
            pass
        self.reply("250 kept")
