"""Relay accounts: what an administrator does with them, whatever file they live in."""
