"""Table of figures by group: sources, datasets, held-out sources."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lesionlab.cli.console import new_table, show_table

if TYPE_CHECKING:
    from lesionlab.bundle import GroupMetrics
    from lesionlab.metrics import Estimate


def show_groups(heading: str, groups: "Iterable[GroupMetrics]") -> None:
    """Print AUC, sensitivity and specificity of each group, with one line for each operating point.

    Args:
        heading: Name of the first column.
        groups: The groups.
    """
    table = new_table(heading, "images", "positive", "AUC (95%)", "operating point", "sensitivity", "specificity")
    for group in groups:
        cells = [group.value, f"{group.n_images:,}", f"{group.n_positive:,}", with_interval(group.auc)]
        for point in group.operating_points:
            rates = (with_interval(point.sensitivity), with_interval(point.specificity))
            table.add_row(*cells, f"{point.name}, {point.target}", *rates)
            cells = [""] * len(cells)
        if not group.operating_points:
            table.add_row(*cells)
    show_table(table)


def with_interval(figure: "Estimate") -> str:
    """Return a figure with its 95% interval, `0.839 (0.789 to 0.891)`."""
    if figure.value is None:
        return "not defined"
    limits = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{limits}"
