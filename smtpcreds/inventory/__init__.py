"""Facts: what was issued and revoked, by which authority, and who did what.

:class:`.inventory.Inventory`, and :func:`.inventory.open_inventory`, the way to the SQLite file or
PostgreSQL database that keeps it.
"""
