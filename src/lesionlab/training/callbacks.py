"""Lightning callbacks: history, checkpoints, log lines and the progress bar."""

import csv
import io
import logging
import math
import time
from collections.abc import Sequence
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lesionlab.files import write_text
from lesionlab.runs import HISTORY_COLUMNS, RunFolder
from lesionlab.training.checkpoint import save_tensors
from lesionlab.training.module import LesionModule

logger = logging.getLogger(__name__)


class RunRecorder(Checkpoint):
    """After each epoch: write the history, the best weights and the checkpoint to resume from.

    The order matters: after a kill in between, training resumes from the older checkpoint and repeats the epoch with
    the same result. The history is part of the checkpoint, so that the file never holds epochs that were undone.
    A `Checkpoint` callback runs after early stopping, so that the checkpoint includes its state. Of several processes
    the first one writes.

    Args:
        run: Folder to write to.
        monitor: Column of the history that selects the best checkpoint.
        earlier: History of the stage before this one.
    """

    def __init__(self, run: RunFolder, monitor: str, earlier: Sequence[dict[str, float]] = ()) -> None:
        self.run = run
        self.monitor = monitor
        self.earlier = len(earlier)
        self.history: list[dict[str, float]] = [dict(row) for row in earlier]
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the callback."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the callback."""
        self.history = [dict(row) for row in state_dict["history"]]

    def is_best(self) -> bool:
        """Return whether the last epoch is better than all before it."""
        sign = -1 if self.monitor.endswith("loss") else 1
        # An undefined metric, such as the AUC of a single class, is never better than a defined one.
        scores = [-math.inf if math.isnan(row[self.monitor]) else sign * row[self.monitor] for row in self.history]
        return all(scores[-1] > score for score in scores[:-1])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Stop at once if early stopping had ended the training before the checkpoint was written."""
        trainer.should_stop |= any(
            callback.wait_count >= callback.patience for callback in trainer.early_stopping_callbacks
        )

    def on_train_batch_start(
        self, _trainer: pl.Trainer, _module: pl.LightningModule, _batch: Any, batch_idx: int
    ) -> None:
        """Start the timer of the epoch with its first batch."""
        if batch_idx == 0:
            self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch that was just validated."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        values |= {
            "epoch": self.earlier + trainer.current_epoch + 1,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._began, 1),
        }
        self.history.append({name: values[name] for name in HISTORY_COLUMNS})
        out = io.StringIO()
        writer = csv.DictWriter(out, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        best = self.is_best()
        if trainer.is_global_zero:
            write_text(self.run.history, out.getvalue())
        if best and trainer.is_global_zero:
            save_tensors(
                cast(LesionModule, pl_module).shipped.state_dict(), self.run.best, {"epoch": str(values["epoch"])}
            )
        trainer.save_checkpoint(self.run.last)  # in all processes: they wait for each other
        row, total = self.history[-1], self.earlier + (trainer.max_epochs or 0)
        stage = self.history[self.earlier :]
        left = (total - row["epoch"]) * sum(r["seconds"] for r in stage) / len(stage)
        logger.info(
            "epoch %d/%d: train loss %.3f, validation loss %.3f, balanced accuracy %.3f, macro AUC %.3f%s "
            "(%.0f s, about %s left)",
            row["epoch"],
            total,
            row["train_loss"],
            row["validation_loss"],
            row["validation_balanced_accuracy"],
            row["validation_macro_auc"],
            ", best so far" if best else "",
            row["seconds"],
            f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s",
        )


class StepProgress(pl.Callback):
    """A progress bar over the steps of all epochs, with the remaining time; hidden outside a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("training"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeElapsedColumn())
        self.bar = Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
        )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Show the bar."""
        self.bar.start()
        self.task = self.bar.add_task("", total=int(trainer.estimated_stepping_batches), completed=trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Advance by a step."""
        self.bar.update(self.task, completed=trainer.global_step)

    def teardown(self, *_: Any, **__: Any) -> None:
        """Remove the bar, also after an error."""
        self.bar.stop()
