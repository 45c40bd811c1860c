"""``smtpcreds cert``: certificates of hosts."""

from ..lazy import noun

cert = noun(
    "cert",
    "Certificates of mail hosts.",
    {
        "issue": ("cert.issue", "issue", "Issue certificates with new keys."),
        "renew": ("cert.renew", "renew", "Renew certificates, by name or all that are due."),
        "revoke": ("cert.revoke", "revoke", "Revoke a certificate and sign a CRL that says so."),
        "request": ("cert.request", "request", "Make a key, and a request to another CA."),
        "install": ("cert.install", "install", "Install the answer of another CA."),
        "sign": ("cert.sign", "sign", "Sign the request of a host that keeps its own key."),
        "list": ("cert.list", "list_", "List certificates."),
        "show": ("cert.show", "show", "Show a certificate."),
        "verify": ("cert.verify", "verify", "Check that what is installed works."),
        "export": ("cert.export", "export", "Write a certificate in another form."),
    },
)
