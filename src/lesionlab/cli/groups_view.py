"""Table of figures by group: sources, datasets, held-out sources."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lesionlab.cli.console import new_table, show_table

if TYPE_CHECKING:
    from lesionlab.bundle import GroupMetrics


def show_groups(heading: str, groups: "Iterable[GroupMetrics]") -> None:
    """Print AUC, sensitivity and specificity of each group, with one line for each operating point.

    Args:
        heading: Name of the first column.
        groups: The groups.
    """
    from lesionlab.evaluation.wording import interval, number

    table = new_table(heading, "images", "positive", "AUC (95%)", "operating point", "sensitivity", "specificity")
    for group in groups:
        around = f" ({interval(group.auc)})" if interval(group.auc) else ""
        cells = [group.value, f"{group.n_images:,}", f"{group.n_positive:,}", number(group.auc.value) + around]
        for point in group.operating_points:
            rates = (number(point.sensitivity.value), number(point.specificity.value))
            table.add_row(*cells, f"{point.name}, {point.target}", *rates)
            cells = [""] * len(cells)
        if not group.operating_points:
            table.add_row(*cells)
    show_table(table)
