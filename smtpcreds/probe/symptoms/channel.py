"""The way to the server, TLS, and what a server says of a client certificate."""

from .row import REISSUE, Symptom

ROWS = (
    # The way there
    Symptom("resolve", "", "neither DNS nor /etc/hosts knows the name", "getent hosts {host}"),
    Symptom(
        "connect",
        "refused",
        "nothing listens on this port of the server",
        "start the mail server, or give the right port: 25 relay, 587 submission, 465 smtps://",
    ),
    Symptom(
        "connect",
        "timed out|unreachable|no route",
        "a firewall drops it, or the server is down",
        "open the port from this host to {host}; ping {host}",
    ),
    Symptom(
        "banner|ehlo",
        "did not answer in time",
        "a port for TLS from the start (465), or a server that is overloaded or asks DNS and ident first",
        "for port 465 use smtps://; else look at the server's log, or give --timeout SECONDS",
    ),
    Symptom(
        "banner",
        "no reply",
        "this is no SMTP port; 993, 995 and 443 are others",
        "25 relay, 587 submission, 465 smtps://",
    ),
    Symptom(
        "banner", "554|421|closed", "the server turns this host away", "allow it in the server's access rules"
    ),
    Symptom(
        "ehlo", "50[0-9]", "a server, or a firewall in between, without ESMTP", "turn off its SMTP fixup"
    ),
    # STARTTLS
    Symptom(
        "starttls",
        "not offered",
        "TLS is not configured, or its key or CA file can't be used, or somebody in between hides it",
        "on {host}: smtpcreds mta check PROGRAM; look for STARTTLS= in its log (CACertPath missing, unsafe)",
    ),
    Symptom(
        "starttls",
        "454|421|TLS not available|TLS currently unavailable",
        "the server's key does not fit its certificate, is missing, encrypted or unreadable",
        "on {host}: smtpcreds cert verify {host}; then reload the mail server",
    ),
    Symptom(
        "starttls",
        "plain text came",
        "somebody in between injects commands, or the server pipelines where RFC 3207 forbids it",
        "compare with a probe from the server itself; update the server",
    ),
    Symptom(
        "tls|client certificate|openssl",
        "wrong version number|packet length too long|record layer failure",
        "TLS from the start was spoken to a port that waits for STARTTLS, or no TLS is behind STARTTLS",
        "smtps:// is for port 465; use smtp:// for 25 and smtp+tls:// for 587",
    ),
    Symptom(
        "tls",
        "did not answer in time",
        "the server waits for EHLO: a port with STARTTLS",
        "use smtp:// for 25 and smtp+tls:// for 587",
    ),
    Symptom(
        "tls|openssl",
        "closed in the middle of TLS|connection broke|handshake failure|no shared cipher"
        "|no protocols available|unsupported protocol|protocol version",
        "the two sides have no TLS version or cipher in common, or the server has no usable certificate",
        "offer TLS 1.2 or newer there (smtpd_tls_protocols); on {host}: smtpcreds cert verify {host}",
    ),
    Symptom(
        "tls|openssl",
        "key too small|md too weak|dh key",
        "key or signature is weaker than OpenSSL's security level 2 takes",
        REISSUE,
    ),
    # The client certificate, in the server's words
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate required|no client certificate",
        "the server wants a client certificate",
        "--client HOST, or --cert FILE --key FILE",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert unknown ca|client certificate not trusted",
        "the server does not trust the CA of the client certificate",
        "install our cacert.pem on {host} (confCACERT, smtpd_tls_CAfile) and reload it",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate revoked",
        "the client certificate is revoked",
        "smtpcreds cert issue HOST for the client, and install it",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert certificate expired",
        "the client certificate has expired, or the server's clock is wrong",
        "smtpcreds cert renew HOST for the client, and install it",
    ),
    Symptom(
        "tls|ehlo|client|auth",
        "alert (bad|unsupported) certificate|certificate unknown",
        "the server refuses the client certificate: extendedKeyUsage without clientAuth, expired CRL, or key",
        "smtpcreds cert verify FILE --client",
    ),
)
