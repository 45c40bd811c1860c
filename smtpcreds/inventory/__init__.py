"""Facts: what was issued and revoked, by which authority, and who did what.

:class:`.port.Inventory` is the promise, :func:`.inventory.open_inventory` the way to the SQLite file or
PostgreSQL database that keeps it.
"""
