"""Files that are written whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


class NotWritten(Exception):
    """A file cannot be written: the reason and the way out, in one line."""


def replace_file(path: Path, content: bytes) -> None:
    """Write beside the file and rename, which no reader sees half done; its directory is made if it is missing.

    Raises:
        NotWritten: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise NotWritten(f"{path}: not written ({error.strerror or error}); make its folder writable") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
