"""Changing values in a user's settings file, all else in it staying as it is: comments, order, line ends."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tagger.records import TaggerError


def change(path: Path, section: str, values: Mapping[str, str | bool]) -> None:
    """Sets these keys of a section; makes the file where there is none. Where it is a link, the file behind it changes.

    Raises TaggerError where it cannot be read or written; it is as it was then.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        text = target.read_bytes().decode("utf-8") if target.exists() else ""
        document = tomlkit.parse(text)
        document.setdefault(section, tomlkit.table()).update(values)
        _replace(target, tomlkit.dumps(document).encode("utf-8"))
    except OSError as error:
        raise TaggerError(f"{path} cannot be changed: {error.strerror}") from None
    except (UnicodeError, TOMLKitError) as error:
        raise TaggerError(f"{path} cannot be changed: {error}") from None


def _replace(target: Path, content: bytes) -> None:
    """At once or not at all, with the mode that the file had."""
    fd, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, target.stat().st_mode & 0o7777 if target.exists() else 0o644)
            file.flush()
            os.fsync(fd)
        os.replace(part, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise
