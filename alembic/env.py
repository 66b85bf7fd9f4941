"""Runs the migrations on the connection that `service.db` hands over; the environment is not read here."""

from __future__ import annotations

from alembic import context
from service.db import comparison
from service.models import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, **comparison())
with context.begin_transaction():
    context.run_migrations()
