"""Alembic migrations of the labelling store."""
