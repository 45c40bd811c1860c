"""Credentials to the places where mail programs look."""
