"""Printed results of `lesionlab label`."""

from typing import TYPE_CHECKING

from lesionlab.cli.console import new_table, show, show_table

if TYPE_CHECKING:
    from lesionlab.labelling.agreement import AgreementReport
    from lesionlab.labelling.curves import Simulation
    from lesionlab.metrics import Estimate


def show_simulation(simulation: "Simulation") -> None:
    """Print a table of the strategies."""
    title = (
        f"{simulation.dataset}, {simulation.features}: {simulation.candidates:,} lesions to choose from, "
        f"{simulation.held_out:,} held out, {simulation.seeds} seeds"
    )
    table = new_table("strategy", "balanced accuracy", "mean difference to random", "labels needed", "", title=title)
    for curve in simulation.curves:
        last = curve.points[-1]
        table.add_row(
            curve.strategy,
            _in_words(last.balanced_accuracy),
            "" if curve.compared == "baseline" else _in_words(curve.mean_difference, sign="+"),
            "not reached" if curve.labels_needed is None else f"{curve.labels_needed:,}",
            "" if curve.compared == "baseline" else curve.compared,
        )
    show_table(table)
    show(
        f"Balanced accuracy: at {simulation.budget:,} labels. Labels needed: for that of random sampling at "
        f"{simulation.budget:,} labels. 95% intervals over held-out lesions and seeds."
    )


def _in_words(estimate: "Estimate", sign: str = "") -> str:
    numbers = [estimate.value, estimate.low, estimate.high]
    value, low, high = ("-" if number is None else f"{number:{sign}.3f}" for number in numbers)
    return f"{value} ({low} to {high})"


def show_agreement(report: "AgreementReport") -> None:
    """Print tables of the agreement and accuracy of readers."""
    table = new_table("readers", "lesions", "same answer", "kappa", title="Agreement")
    for one in (*report.pairs, *([report.all_readers] if report.all_readers else [])):
        table.add_row(" / ".join(one.readers), f"{one.lesions:,}", _in_words(one.observed), _in_words(one.kappa))
        for code, kappa in one.by_class.items():
            table.add_row(f"  {code}", "", "", _in_words(kappa))
    show_table(table)
    if not report.pairs:
        show("No two readers have read the same lesion.")
    if report.accuracy:
        headings = ("reader", "model shown", "lesions", "sensitivity", "specificity", "undecided", "seconds")
        accuracy = new_table(*headings, title="Malignancy, against the labels of the dataset")
        for row in report.accuracy:
            accuracy.add_row(
                row.reader,
                {None: "", True: "yes", False: "no"}[row.aided],
                f"{row.lesions:,}",
                _in_words(row.sensitivity),
                _in_words(row.specificity),
                f"{row.undecided:,}",
                "" if row.seconds is None else f"{row.seconds:.1f}",
            )
        show_table(accuracy)
