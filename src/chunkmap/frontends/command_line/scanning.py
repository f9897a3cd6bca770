"""Options of the commands that scan files, and what the library is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Literal, NamedTuple

import click

from chunkmap.formats.options import from_words
from chunkmap.frontends.command_line.arguments import words_by_name
from chunkmap.frontends.command_line.options import FILE, given

__all__ = ["HowToScan", "cache_option", "scan_options", "workers_option"]

Command = Callable[..., Any]


class HowToScan(NamedTuple):
    """What the options of scanning say."""

    on_error: Literal["raise", "skip"]
    """What becomes of a file that cannot be scanned."""
    options: dict[str, Any]
    """What `scan` is told of every file."""


def scan_options(command: Command) -> Command:
    """Options of the commands that scan files, which are given to the command as one argument, `scanning`."""

    @wraps(command)
    def told(
        *,
        skip_errors: bool,
        inline_threshold: int | None,
        format_options: Mapping[str, str],
        allow: tuple[str, ...],
        file_format: str | None,
        portable: bool,
        **others: Any,
    ) -> Any:
        options = {
            **given(format=file_format, inline_threshold=inline_threshold, allow=list(allow) or None),
            **given(portable=portable or None),
            **(from_words(format_options, file_format) if format_options else {}),
        }
        return command(scanning=HowToScan("skip" if skip_errors else "raise", options), **others)

    for option in (
        click.option(
            "--portable",
            is_flag=True,
            help="Say the set as more readers take it, and list what they do not decode.",
        ),
        click.option("--skip-errors", is_flag=True, help="Leave out files that cannot be scanned, and say which."),
        click.option("--inline-threshold", type=click.IntRange(0), metavar="BYTES", help="Hold smaller chunks inline."),
        click.option(
            "--option",
            "format_options",
            multiple=True,
            callback=words_by_name,
            metavar="NAME=VALUE",
            help="An option of the format, such as group=/a; `chunkmap formats` lists them.",
        ),
        click.option(
            "--allow", multiple=True, metavar="PREFIX", help="URLs, beyond the directory of a file, that it may name."
        ),
        click.option("--format", "file_format", metavar="NAME", help="The files' format; else told from their bytes."),
    ):
        told = option(told)
    return told


cache_option = click.option(
    "--cache", type=FILE, metavar="DIR", help="Keep what is found in every file, and scan again only what has changed."
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Scan files of this machine with N processes at most; as many as there are cores, where that is quicker.",
)
