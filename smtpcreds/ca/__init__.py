"""The certificate authority at work: made, issuing, renewing, revoking; with state on disk."""
