"""Finds what is wrong with credentials and with the configuration around them; see smtpcreds-audit(7)."""
