"""One client connection: replies, TLS, SASL. Knows nothing of authorities, accounts and files."""
