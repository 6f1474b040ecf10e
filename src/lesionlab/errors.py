"""The errors a user may meet. Each says what was wrong, where, and what to do about it."""


class LesionlabError(Exception):
    """Anything that stops a command for a reason its user can act on.

    The command line prints the message as one line and leaves with `exit_code`: no traceback, since the
    cause lies in the input and not in the program.
    """

    exit_code = 1


class UsageError(LesionlabError):
    """The request itself is wrong: an unknown option value, recipe key or column."""

    exit_code = 2


class ImageError(LesionlabError):
    """One image cannot be judged. The message does not name the file; whoever knows its name adds it."""


class DataError(LesionlabError):
    """A dataset, manifest or split cannot be used."""


class RecipeError(UsageError):
    """A recipe is not valid. The message names the key."""


class BundleError(LesionlabError):
    """A model bundle is missing, damaged, or of a schema that this version cannot read."""


class MissingExtraError(LesionlabError):
    """The command needs an optional part of the package that is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs the extra '{extra}': pip install 'lesionlab[{extra}]'")
