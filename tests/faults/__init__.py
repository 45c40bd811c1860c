"""What verbs that write survive, and what the incumbents do; ``python -m tests.faults`` runs it all."""
