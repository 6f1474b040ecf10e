"""Readers: from the layouts in which datasets are handed round to records."""

from lesionlab.data.readers.columns import ColumnMapping

__all__ = ["ColumnMapping"]
