"""Durable records: the database, atomic files, locks."""
