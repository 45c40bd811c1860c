"""Keys, certificates, requests and revocation lists, as values: no files, no clock."""
