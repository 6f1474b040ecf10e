"""The log of events, which the database itself keeps append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_MESSAGE = "events are never changed or deleted"


def upgrade() -> None:
    """Create the table, and triggers that reject changes of its rows."""
    op.create_table(
        "lesionlab_events",
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("reader", sa.String(64), nullable=False),
        sa.Column("lesion", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER lesionlab_no_{change.lower()} BEFORE {change} ON lesionlab_events "
                f"BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END"
            )
    elif op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION lesionlab_no_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_MESSAGE}'; END $$"
        )
        op.execute(
            "CREATE TRIGGER lesionlab_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON lesionlab_events "
            "FOR EACH STATEMENT EXECUTE FUNCTION lesionlab_no_change()"
        )


def downgrade() -> None:
    """Remove nothing: an older version cannot read the labels, and they are kept."""
    raise NotImplementedError("the events of a store are not removed")
