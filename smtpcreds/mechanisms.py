"""Names of SASL mechanisms, the strongest first: the order in which Cyrus clients prefer them (observed).

Imports nothing, so that a verb's help may name them.
"""

SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1")
PLAINTEXT = ("PLAIN", "LOGIN")
"""They show the secret to the other side; never outside TLS (RFC 4616 section 6)."""
BY_PASSWORD = (*SCRAM, "DIGEST-MD5", "CRAM-MD5", *PLAINTEXT)
"""All that a relay serves an account whose clear text it has."""
