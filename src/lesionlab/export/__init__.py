"""Export of a run to a bundle that needs no training framework. Needs the extra `train`."""

from lesionlab.export.bundle import export_run
from lesionlab.export.graph import export_graph

__all__ = ["export_graph", "export_run"]
