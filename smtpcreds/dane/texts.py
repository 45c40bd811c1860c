"""MTA-STS and TLS reporting in words: what to publish, and what a private authority can't do for them."""

from datetime import datetime

MAX_AGE = 604_800
"""Seconds that senders keep the policy; a week (RFC 8461 section 3.2)."""


def texts(domain: str, host: str, at: datetime) -> list[str]:
    """Return the records and the policy of a domain whose mail one host takes.

    Args:
        domain: of the mail addresses.
        host: that the MX record names.
        at: makes the policy's id, which has to change with it.
    """
    return [
        "Port 25 takes mail from strangers, who check by one of two means:",
        "",
        "DANE (RFC 7672) goes with a private CA like ours, and needs a zone signed by DNSSEC:",
        f"  smtpcreds tlsa show {host}",
        "",
        "MTA-STS (RFC 8461) needs a certificate of a public CA on port 25 of every MX. With one of our own",
        "CA, senders that enforce the policy below deliver nothing. To install a public one:",
        f"  smtpcreds cert request {host}",
        "  smtpcreds cert install FILE --server",
        "Then a record, and the policy as a file of a web server, whose certificate is a public CA's too:",
        f'  _mta-sts.{domain}. IN TXT "v=STSv1; id={at:%Y%m%d%H%M%S}"',
        f"  https://mta-sts.{domain}/.well-known/mta-sts.txt, with lines that end in CR LF:",
        "    version: STSv1",
        "    mode: testing",
        f"    mx: {host}",
        f"    max_age: {MAX_AGE}",
        "Once reports are clean: mode: enforce, and another id.",
        "",
        "TLSRPT (RFC 8460) has senders report what failed, of both:",
        f'  _smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{domain}"',
    ]
