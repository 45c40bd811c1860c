"""PostgreSQL: where a database is, how it is reached, and what its errors mean. The only home of psycopg."""

from .url import DatabaseUrl, is_postgres, is_url, parse_url

__all__ = ["DatabaseUrl", "is_postgres", "is_url", "parse_url"]
