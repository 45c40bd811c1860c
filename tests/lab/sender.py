"""What the small senders of the lab have in common."""

import uuid
from typing import Protocol

from lab.host import Host


class Sender(Protocol):
    """A program on a host of the lab that sends mail from the files it finds there."""

    host: Host

    def send(self, sender: str, recipient: str) -> str:
        """Try to send one message; return what the program, or its log, had to say about it.

        Raises:
            LabError: the program itself says that it failed.
        """


def message(host: Host, sender: str, recipient: str) -> str:
    """Return a message that no other one equals."""
    identity = f"<{uuid.uuid4().hex}@{host.name}>"
    return f"From: {sender}\nTo: {recipient}\nMessage-ID: {identity}\nSubject: polka\n\nRosamunde\n"
