"""Exceptions that a user can act on, and the exit codes of the command line."""

EXIT_CODES = (
    "Exit codes: 0 success; 1 an image, dataset or model cannot be used, or a result cannot be written; "
    "2 wrong usage, including a path that does not exist; 130 interrupted with Ctrl-C."
)


class LesionlabError(Exception):
    """Base class: the message states the cause and the remedy.

    The command line prints the message as one line without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(LesionlabError):
    """The request is wrong: an option value, a recipe key, a column, or a path that does not exist."""

    exit_code = 2


class ImageError(LesionlabError):
    """An image cannot be read or decoded. The message does not name the file; the caller adds the name."""


class DataError(LesionlabError):
    """A dataset, manifest or split cannot be used."""


class DownloadError(LesionlabError):
    """A file cannot be downloaded.

    Args:
        message: The message.
        status: The HTTP status, if the server does not have the file.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class DivergenceError(LesionlabError):
    """A training diverged: its loss is not a finite number."""


class MemoryExhaustedError(LesionlabError):
    """The memory of the machine or of its accelerator does not suffice."""


class OtherProcessError(LesionlabError):
    """Another process of a training failed, and has reported it."""


class RecipeError(UsageError):
    """A recipe is not valid. The message names the key."""


class BundleError(LesionlabError):
    """A bundle is missing, damaged, or of a schema that this version cannot read."""


class InterruptedRunError(LesionlabError):
    """A training or a download was interrupted with Ctrl-C and can be resumed."""

    exit_code = 130


class MissingExtraError(LesionlabError):
    """A package of an optional dependency group (extra) is not installed.

    Args:
        purpose: The command or option that needs it.
        extra: Name of the extra.
        package: Name of the missing package.
    """

    def __init__(self, purpose: str, extra: str, package: str = "") -> None:
        missing = f"the package {package} of the extra" if package else "the extra"
        super().__init__(f"{purpose} needs {missing} '{extra}': pip install 'lesionlab[{extra}]'")
