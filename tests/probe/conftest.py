"""A hub's authority and certificates, and what a probe on one of its hosts is told."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from admin import HUB, Admin
from smtp.peer import Peer

from smtpcreds.config import Settings, Site
from smtpcreds.model import Root
from smtpcreds.probe.asked import Identity, ProbeRequest, parse_target
from smtpcreds.probe.run import probe
from smtpcreds.probe.step import Step
from smtpcreds.probe.trust import gather
from smtpcreds.secret import Secret
from smtpcreds.smtp.sasl import Login

SECRET = "Ch1mp?03fuzz"
LATER = timedelta(days=400)


class House:
    """A root with an authority."""

    def __init__(self, program: Admin) -> None:
        self.program = program
        self.certs = program.root / "etc/mail/certs"

    def site(self, later: timedelta = timedelta(0)) -> Site:
        settings = Settings(domain="polkatistas.org", hub=HUB)
        return Site(Root(str(self.program.root)), settings, lambda: datetime.now(UTC) + later, print)

    def context(self, host: str = "dmzmail", where: Path | None = None) -> ssl.SSLContext:
        """The TLS of a server that has the pair of a host."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certs = where or self.certs
        context.load_cert_chain(certs / f"{host}-cert.pem", certs / f"{host}-key.pem")
        return context

    def probe(
        self,
        peer: Peer,
        url: str = "smtp",
        *,
        later: timedelta = timedelta(0),
        clear: bool = False,
        **more: object,
    ) -> dict[str, Step]:
        """Probe the peer as if it were the hub; return the steps by name."""
        site = self.site(later)
        target = parse_target(site, f"{url}://127.0.0.1:{peer.port}", clear=clear)
        asked = ProbeRequest(target, gather(site, HUB, None, None), "attic.polkatistas.org", **more)  # type: ignore[arg-type]
        steps = probe(asked, lambda _: None)
        assert len({step.name for step in steps}) == len(steps)
        return {step.name: step for step in steps}


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    program = Admin(tmp_path_factory.mktemp("house") / "root")
    program("setup", HUB, "--no-passphrase")
    return House(program)


@pytest.fixture
def identity() -> Identity:
    return Identity(Login("maildroid", Secret(SECRET)), HUB)
