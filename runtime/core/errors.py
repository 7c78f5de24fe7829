"""What can go wrong, and the exit code each kind of error gives.

MiddleoutError                 1
├── UsageError                 2   the call is wrong: options, existing output, missing input
├── FileFormatError            1   the input is not something that can be encoded or decoded
├── RateError                  1   the target rate can't be met
├── CorruptError               1   the input is a middleout file, but damaged
└── ModelError                 3   a model is unknown, unusable, or computes something else here
"""

import logging


class MiddleoutError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class UsageError(MiddleoutError):
    """The request itself is wrong or incomplete."""

    exit_code = 2


class FileFormatError(MiddleoutError):
    """The input is of a kind that is not supported."""


class RateError(MiddleoutError):
    """A recording takes more than the target rate, even with the largest error."""


class CorruptError(MiddleoutError):
    """The input is a middleout file whose bytes are not what was written."""


class ModelError(MiddleoutError):
    """A model is not available, not valid, or gives other results on this machine."""

    exit_code = 3


def as_error(error: Exception) -> MiddleoutError:
    """Return the error to report for one file, whatever went wrong in it.

    What a caller could have known of the file system is a usage error; the message has the path. Errors that this
    package does not raise on purpose are named in the message, are the cause of what is returned, and are logged with
    their traceback (logger `runtime`, level debug; `--verbose` on the command line).
    """
    if isinstance(error, MiddleoutError):
        return error
    if isinstance(error, MemoryError):
        return MiddleoutError("out of memory")
    if isinstance(error, OSError):
        text = error.strerror or str(error)
        if isinstance(error.filename, str):
            text = f"{error.filename}: {text}"
        known = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
        return UsageError(text) if isinstance(error, known) else FileFormatError(text)
    logging.getLogger("runtime").debug("an error that is not raised on purpose", exc_info=error)
    what = f"{type(error).__name__}: {error}"
    if type(error).__module__.partition(".")[0] == "onnxruntime":
        made: MiddleoutError = ModelError(f"the model can't be run: {what}")
    else:
        made = FileFormatError(f"the file can't be processed: {what}; please report this")
    made.__cause__ = error
    return made
