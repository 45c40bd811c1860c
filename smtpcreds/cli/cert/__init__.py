"""``smtpcreds cert``: certificates of hosts."""

from ..lazy import noun

cert = noun(
    "cert",
    "Certificates of mail hosts.",
    {
        "issue": ("cert.issue", "issue", "Issue certificates with new keys."),
        "renew": ("cert.renew", "renew", "Renew certificates, by name or all that are due."),
        "revoke": ("cert.revoke", "revoke", "Revoke a certificate and sign a CRL that says so."),
    },
)
