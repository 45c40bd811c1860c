"""``smtpcreds ca``: the certificate authority."""

from ..lazy import noun

ca = noun(
    "ca",
    "The certificate authority that signs for your mail hosts.",
    {
        "init": ("ca.init", "init", "Make the authority: a private key and its certificate."),
        "crl": ("ca.crl", "crl", "Sign a fresh list of revoked certificates."),
    },
)
