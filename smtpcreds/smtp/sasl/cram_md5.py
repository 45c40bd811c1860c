"""CRAM-MD5 (RFC 2195). The server proves nothing."""

from hmac import digest

from .exchange import WAIT, Channel, Exchange, Login, Message


def cram_md5(login: Login, _: Channel) -> Exchange:
    """Name, space, HMAC-MD5 of the challenge in hex."""
    challenge = yield WAIT
    proof = digest(login.secret.reveal(), challenge, "md5")
    yield Message(b"%b %b" % (login.authcid.encode(), proof.hex().encode()), last=True)
