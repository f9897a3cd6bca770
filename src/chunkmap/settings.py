"""What holds where nothing is said: a file of the user's, and variables of the environment, which go before it.

The file is `$CHUNKMAP_CONFIG`, else `chunkmap/config.toml` in `$XDG_CONFIG_HOME` or `~/.config`. Options of filesystems
are not here: fsspec has a file of its own for them, which holds for whatever it opens. Nothing of this is kept in sets.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["settings", "settings_file"]

_KINDS: Final[dict[str, Any]] = {"timeout": (int, float), "engine": str, "cache": str}
"""What can be set, and what it must be."""


def settings_file() -> Path:
    """Where the file is, or would be."""
    return _file(*map(os.environ.get, ("CHUNKMAP_CONFIG", "XDG_CONFIG_HOME", "HOME")))


@cache
def _file(given: str | None, configurations: str | None, _home: str | None) -> Path:
    """The same, by the variables that say it: every file that is opened asks."""
    if given:
        return Path(given)
    return Path(configurations or "~/.config").expanduser() / "chunkmap" / "config.toml"


def settings() -> dict[str, Any]:
    """What is set: `timeout` in seconds, `engine`, `cache`; nothing of what is not. The file is read once.

    Raises ValueError naming the file or the variable in which something cannot be meant.
    """
    found = dict(_in_file(settings_file()))
    for name in _KINDS:
        variable = f"CHUNKMAP_{name.upper()}"
        text = os.environ.get(variable)
        if text is not None:
            found.pop(name, None)
            if text:  # an empty one unsets what the file says
                found[name] = _checked(variable, name, _number(text) if name == "timeout" else text)
    return found


@cache
def _in_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    import tomllib  # noqa: PLC0415 - for who has such a file

    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: cannot be read as TOML: {error}") from error
    for name in said:
        if name not in _KINDS:
            from difflib import get_close_matches  # noqa: PLC0415 - for who misspelt

            close = get_close_matches(name, _KINDS, n=1)
            meant = f": did you mean {close[0]!r}?" if close else f"; there are {', '.join(_KINDS)}"
            raise ValueError(f"{path}: no setting {name!r}{meant}")
    return {name: _checked(str(path), name, value) for name, value in said.items()}


def _checked(where: str, name: str, value: Any) -> Any:
    if not isinstance(value, _KINDS[name]) or isinstance(value, bool) or (name == "timeout" and not value > 0):
        wanted = "a number of seconds, more than 0" if name == "timeout" else "a text"
        raise ValueError(f"{where}: {name} is {value!r}, expected {wanted}")
    return value


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
