"""All that a client host needs, as one archive: made on the hub, opened on the host."""
