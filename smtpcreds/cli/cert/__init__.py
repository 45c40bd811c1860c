"""``smtpcreds cert``: certificates of hosts."""

from ..lazy import noun

cert = noun(
    "cert",
    "Certificates of mail hosts.",
    {
        "issue": ("cert.issue", "issue", "Issue certificates with new keys."),
    },
)
