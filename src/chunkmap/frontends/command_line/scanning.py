"""Options of the commands that scan files, and what the library is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import click

from chunkmap.formats.options import from_words
from chunkmap.frontends.command_line.arguments import words_by_name
from chunkmap.frontends.command_line.options import FILE, given

__all__ = ["cache_option", "on_error", "scan_options", "scanned_with", "workers_option"]

Command = Callable[..., Any]


def scan_options(command: Command) -> Command:
    """Options of the commands that scan files."""
    for option in (
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
        command = option(command)
    return command


def scanned_with(
    file_format: str | None, inline_threshold: int | None, allow: tuple[str, ...], format_options: Mapping[str, str]
) -> dict[str, Any]:
    """What `scan` is told of every file."""
    return {
        **given(format=file_format, inline_threshold=inline_threshold, allow=list(allow) or None),
        **(from_words(format_options, file_format) if format_options else {}),
    }


def on_error(*, skip: bool) -> Literal["raise", "skip"]:
    """What the library calls leaving out files that cannot be scanned."""
    return "skip" if skip else "raise"


cache_option = click.option(
    "--cache", type=FILE, metavar="DIR", help="Keep what is found in every file, and scan again only what has changed."
)

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Scan files of this machine with N processes at most; as many as there are cores, where that is quicker.",
)
