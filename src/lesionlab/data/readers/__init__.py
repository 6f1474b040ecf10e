"""Readers of the dataset layouts."""

from lesionlab.data.readers.columns import ColumnMapping

__all__ = ["ColumnMapping"]
