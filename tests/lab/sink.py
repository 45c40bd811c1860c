"""The rest of the world's mail: an SMTP server that accepts everything and keeps it."""

import email
import email.message
import queue
import socketserver
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from lab.process import PATIENCE, LabError
from lab.server import Server


@dataclass(frozen=True)
class Message:
    """What arrived: envelope addresses without angle brackets, and the message with LF line ends."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def headers(self) -> email.message.Message:
        """The message, parsed."""
        return email.message_from_bytes(self.content)


class Sink:
    """A server on `address` port 25; make it inside the network it shall serve."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._arrivals: queue.Queue[Message] = queue.Queue()
        self._server = _Server((address, 25), self._arrivals.put)
        self._server.start()
        self.close = self._server.close

    def empty(self) -> bool:
        """Tell whether everything that arrived was received already."""
        return self._arrivals.empty()

    def receive(self) -> Message:
        """Return the oldest message not yet received, waiting for it if need be.

        Raises:
            LabError: nothing arrived.
        """
        try:
            return self._arrivals.get(timeout=PATIENCE)
        except queue.Empty:
            raise LabError("no message left the lab") from None


class _Server(Server):
    def __init__(self, address: tuple[str, int], accept: Callable[[Message], None]) -> None:
        super().__init__(address, _Session)
        self.accept = accept


class _Session(socketserver.StreamRequestHandler):
    """One connection (RFC 5321 section 3), without extensions."""

    server: _Server

    def handle(self) -> None:
        self.sender = ""
        self.recipients: list[str] = []
        self._reply("220 sink ESMTP")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].decode("ascii", "replace").upper()
            self._reply(self._answers.get(verb, _Session._ok)(self, line.decode("utf-8", "replace")))
            if verb == "QUIT":
                return

    def _reply(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _ok(self, line: str) -> str:
        return "250 ok"

    def _mail(self, line: str) -> str:
        self.sender, self.recipients = _address(line), []
        return "250 ok"

    def _rcpt(self, line: str) -> str:
        self.recipients.append(_address(line))
        return "250 ok"

    def _data(self, line: str) -> str:
        self._reply("354 go on")
        lines = []
        while (text := self.rfile.readline()) != b".\r\n":
            if not text:
                raise ConnectionError("the sender hung up inside DATA")
            lines.append(text.removeprefix(b".").replace(b"\r\n", b"\n"))
        self.server.accept(Message(self.sender, tuple(self.recipients), b"".join(lines)))
        return "250 kept"

    def _quit(self, line: str) -> str:
        return "221 bye"

    _answers: ClassVar = {"MAIL": _mail, "RCPT": _rcpt, "DATA": _data, "QUIT": _quit}


def _address(line: str) -> str:
    return line.partition("<")[2].partition(">")[0]
