"""Environment of the migrations: `LabelStore` passes its connection, in a transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=True,
    version_table="lesionlab_schema",  # the database may hold other tables
)
context.run_migrations()
