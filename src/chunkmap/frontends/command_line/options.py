"""Options that several commands share; those of scanning are in `scanning`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from chunkmap.errors import ChunkmapError
from chunkmap.frontends.command_line.arguments import json_object, selectors
from chunkmap.io.engines import Engine
from chunkmap.io.filesystem import limited

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "ARRAY",
    "FILE",
    "combine_options",
    "fit_options",
    "given",
    "output_option",
    "set_option",
    "storage_option",
    "timeout_option",
    "uneven_option",
]

Command = Callable[..., Any]


def _item(value: str, **kind: Any) -> CompletionItem:
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only while a word is completed

    return CompletionItem(value, **kind)


class _FileName(click.types.StringParamType):
    """A text that names a file or a URL: shells complete it as a file name."""

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What the shell's own completion of files gives."""
        return [_item(incomplete, type="file")]


FILE: Final = _FileName()


class _ArrayName(click.types.StringParamType):
    """A text that names an array of the set named before it: shells complete it from what the set holds."""

    def shell_complete(self, ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The arrays whose path goes on from here; none of what cannot be read, as a shell has no place for errors."""
        from chunkmap.storage import load  # noqa: PLC0415 - only while a name is completed

        try:
            refs = load(ctx.params["stored"], storage_options=ctx.params.get("set_options"))
        except (ChunkmapError, OSError, KeyError):
            return []
        return [_item(path) for path in refs.arrays if path.startswith(incomplete)]


ARRAY: Final = _ArrayName()


_KEPT: Final = "chunkmap."


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Have what was said of all servers ready for the options of each filesystem."""
    ctx.meta[f"{_KEPT}{param.name}"] = value


def _options(ctx: click.Context, param: click.Parameter, value: str | None) -> Mapping[str, Any] | None:
    """Options of a file system, with the limit of time and the engine that were given."""
    timeout, engine = (ctx.meta.get(f"{_KEPT}{name}") for name in ("timeout", "engine"))
    return limited(json_object(ctx, param, value), timeout, engine)


def storage_option(command: Command) -> Command:
    """How the file system that holds the files is opened, and what fetches from it."""
    with_options = click.option(
        "--storage-options",
        callback=_options,
        metavar="JSON",
        help="Options of the file system that holds the files: '{\"anon\": true}'.",
    )(command)
    return click.option(
        "--engine",
        type=click.Choice(get_args(Engine)),
        is_eager=True,
        expose_value=False,
        callback=_keep,
        help="What fetches ranges of files; by default obstore (S3) or curl (HTTP) where all promises are kept.",
    )(with_options)


def timeout_option(command: Command) -> Command:
    """How long servers are waited for, whatever file system they hold."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        is_eager=True,
        expose_value=False,
        callback=_keep,
        metavar="SECONDS",
        help="How long a server may be silent, 30 by default; it is tried again for three minutes in all.",
    )(command)


def set_option(command: Command) -> Command:
    """How the file system that holds the sets is opened, those that are read and the one that is written; and how long
    servers are waited for.
    """
    return timeout_option(
        click.option(
            "--set-options",
            callback=_options,
            metavar="JSON",
            help="Options of the file system that holds the sets, where it is not that of the files.",
        )(command)
    )


def output_option(command: Command) -> Command:
    """Where the set goes."""
    return click.option(
        "-o", "--out", type=FILE, required=True, metavar="OUT", help="x.json, x.json.zst, x.parq or x.icechunk."
    )(command)


def combine_options(command: Command, *, required: bool = True) -> Command:
    """Along what inputs are combined."""
    for option in (
        click.option(
            "--identical",
            "identical_dims",
            multiple=True,
            metavar="NAME",
            help="A variable that is the same in all; taken once.",
        ),
        click.option(
            "--coord",
            "coo_map",
            multiple=True,
            callback=selectors,
            metavar="DIM=SELECTOR",
            help="Where its values come from: data:VAR, cf:VAR, attr:NAME, vattr:VAR:NAME, INDEX, ORDER (one after"
            " the other), re:PATTERN.",
        ),
        click.option(
            "--concat",
            "concat_dims",
            required=required,
            multiple=True,
            metavar="DIM",
            help="A dimension to concatenate along.",
        ),
    ):
        command = option(command)
    return command


def uneven_option(command: Command) -> Command:
    """Where arrays go that other readers do not know."""
    text = "A group for arrays whose chunks are of several lengths."
    return click.option("--uneven-group", metavar="NAME", help=text)(command)


def fit_options(command: Command, *, remembered: bool = False) -> Command:
    """What may be overlooked or made right where inputs do not fit; `remembered` where a stored set says the rest."""
    for option in (
        uneven_option,
        click.option(
            "--zarr-format",
            type=click.IntRange(2, 3),
            default=None if remembered else 2,
            show_default=not remembered,
            help="With 3, chunks of several lengths keep them, in a rectilinear grid; JSON and Icechunk only. One such"
            " array hides its group from zarr without its option for them; --uneven-group puts them beside it.",
        ),
        click.option("--strict", is_flag=True, help="Refuse what would be copied: arrays read and held inline."),
        click.option(
            "--variants",
            is_flag=True,
            help="Join what differs only in how chunks are decoded in one array, which chunkmap alone reads.",
        ),
        click.option("--eras", is_flag=True, help="Put inputs that cannot share arrays into groups of their own."),
        click.option("--split", is_flag=True, help="Cut uncompressed chunks to a common grid, where they need it."),
        click.option(
            "--load-below",
            type=click.IntRange(0),
            default=None if remembered else 1_000_000,
            metavar="BYTES",
            help="Arrays of at most so many bytes may be read and held inline, where their chunks do not line up.",
        ),
        click.option("--waive", multiple=True, metavar="CHECK", help="A check to leave out, such as overlap."),
    ):
        command = option(command)
    return command


def given(**options: Any) -> dict[str, Any]:
    """The options that were given: the library's defaults stand for the others."""
    return {name: value for name, value in options.items() if value is not None}
