"""Several verbs in one go: a whole hub, a client host from a bundle."""
