"""Mechanisms that show the secret, or need none: PLAIN (RFC 4616), LOGIN, EXTERNAL (RFC 4422 appendix A)."""

from .exchange import WAIT, Channel, Exchange, Login, Message


def plain(login: Login, _: Channel) -> Exchange:
    """RFC 4616 section 2: authzid, NUL, authcid, NUL, password."""
    yield Message(
        b"\0".join((login.authzid.encode(), login.authcid.encode(), login.secret.reveal())), last=True
    )


def login_(login: Login, _: Channel) -> Exchange:
    """draft-murchison-sasl-login: name, then password, whatever the two prompts say."""
    yield WAIT
    yield Message(login.authcid.encode())
    yield Message(login.secret.reveal(), last=True)


def external(login: Login, _: Channel) -> Exchange:
    """Who we are says the client certificate; only whom to act for is sent."""
    yield Message(login.authzid.encode(), last=True)
