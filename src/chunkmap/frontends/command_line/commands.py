"""The commands: each turns words into arguments, calls one verb of the library, and says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click
import orjson

import chunkmap as library
from chunkmap.errors import ChunkmapError, respelled
from chunkmap.frontends.command_line.arguments import as_option, destinations, expand
from chunkmap.frontends.command_line.display import (
    counting,
    describe,
    note,
    note_of_icechunk,
    of_files,
    size_of,
    warn_of_problems,
    warnings_as_notes,
)
from chunkmap.frontends.command_line.doctor import doctor
from chunkmap.frontends.command_line.dump import dump, set_or_scan
from chunkmap.frontends.command_line.facts import facts_of, only
from chunkmap.frontends.command_line.formats import formats
from chunkmap.frontends.command_line.options import (
    FILE,
    cache_option,
    combine_options,
    fit_options,
    given,
    on_error,
    output_option,
    pool,
    scan_options,
    scanned_with,
    set_option,
    storage_option,
    workers_option,
)
from chunkmap.frontends.html import page
from chunkmap.model import ReferenceSet

__all__ = ["chunkmap"]


class _Group(click.Group):
    """A group of commands whose failures are one line on standard error and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.params.get("traceback"):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever reads our output has seen enough; click ends quietly
            raise
        except (ChunkmapError, OSError, ValueError) as error:
            remedies = error.remedies if isinstance(error, ChunkmapError) else ()
            line = " ".join(respelled(str(error), remedies, as_option).split()) or type(error).__name__
            raise click.ClickException(line) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(library.__version__, prog_name="chunkmap")
@click.option("--traceback", is_flag=True, help="On failure, show where in the code it came from.")
def chunkmap(*, traceback: bool) -> None:
    """Open thousands of archival files as one lazy Zarr dataset, without copying a byte."""
    del traceback  # looked up by the group, before any command runs


@chunkmap.command()
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@click.option(
    "-o", "--out", type=FILE, metavar="OUT", help="Where the set goes; for several files a directory, one set each."
)
@workers_option
@scan_options
@storage_option
@set_option
def scan(
    *,
    urls: tuple[str, ...],
    out: str | None,
    workers: int,
    inline_threshold: int | None,
    file_format: str | None,
    allow: tuple[str, ...],
    format_options: Mapping[str, str],
    skip_errors: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Find the chunks of files.

    One reference set a file is written, or without -o shown; `-o -` prints JSON. URLs may be quoted globs.
    """
    names = expand(urls, storage_options=storage_options)
    if out == "-" and len(names) > 1:
        raise click.UsageError(f"standard output takes one set, not {len(names)}")
    targets = destinations(names, out)
    options = scanned_with(file_format, inline_threshold, allow, format_options)
    with pool(workers) as executor, warnings_as_notes(), counting("scanning", len(names)) as progress:
        sets = library.scan_many(
            names,
            executor=executor,
            progress=progress,
            storage_options=storage_options,
            on_error=on_error(skip=skip_errors),
            **options,
        )
    if out is not None and out not in targets.values() and "://" not in out:
        Path(out).mkdir(parents=True, exist_ok=True)
    for refs in sets:
        _deliver(refs, targets[refs.name], set_options)
    warn_of_problems(problem for refs in sets for problem in refs.problems)


@chunkmap.command()
@click.argument("sets", type=FILE, nargs=-1, required=True, metavar="SET...")
@output_option
@combine_options
@fit_options
@storage_option
@set_option
def combine(
    *,
    sets: tuple[str, ...],
    out: str,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Make one set of many stored ones.

    SETs may be quoted globs.
    """
    refs = library.combine(
        _load_all(sets, set_options),
        remote_options=storage_options,
        **recipe,
    )
    _deliver(refs, out, set_options)
    warn_of_problems(refs.problems)


@chunkmap.command()
@click.argument("sets", type=FILE, nargs=-1, required=True, metavar="SET...")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@combine_options
@fit_options
@storage_option
@set_option
def diagnose(
    *,
    sets: tuple[str, ...],
    as_json: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Say whether stored sets, or files, fit together.

    What combine would refuse, and what would come of it; the exit status is 0 where they fit, and 1 where they do not.
    SETs may be quoted globs; files that are no sets are scanned.
    """
    found = library.diagnose(
        _load_all(sets, set_options, lambda name: set_or_scan(name, storage_options, set_options)),
        remote_options=storage_options,
        **recipe,
    )
    remedies = [remedy for finding in found.findings for remedy in finding.remedies]
    said = respelled(str(found), remedies, as_option)
    click.echo(orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2) if as_json else said)
    click.get_current_context().exit(0 if found.fits else 1)


def _load_all(
    sets: tuple[str, ...], options: Mapping[str, Any] | None, load: Callable[[str], ReferenceSet] | None = None
) -> list[ReferenceSet]:
    names = expand(sets, storage_options=options)
    loaded = []
    with counting("loading", len(names)) as progress:
        for done, name in enumerate(names, start=1):
            loaded.append(library.load(name, storage_options=options) if load is None else load(name))
            progress(done, len(names))
    return loaded


@chunkmap.command()
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@output_option
@combine_options
@workers_option
@cache_option
@click.option("--record-size", type=click.IntRange(1), metavar="ROWS", help="Rows of a Parquet partition.")
@fit_options
@scan_options
@storage_option
@set_option
def build(
    *,
    urls: tuple[str, ...],
    out: str,
    workers: int,
    cache: str | None,
    record_size: int | None,
    inline_threshold: int | None,
    file_format: str | None,
    allow: tuple[str, ...],
    format_options: Mapping[str, str],
    skip_errors: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Scan files, combine, write one set.

    The whole job in one step. URLs may be quoted globs.
    """
    names = expand(urls, storage_options=storage_options)
    note_of_icechunk(out)
    with pool(workers) as executor, warnings_as_notes() as skipped, counting("scanning", len(names)) as progress:
        refs = library.build(
            names,
            out,
            executor=executor,
            progress=progress,
            storage_options=storage_options,
            output_options=set_options,
            on_error=on_error(skip=skip_errors),
            scan_options=scanned_with(file_format, inline_threshold, allow, format_options),
            cache=cache,
            **given(record_size=record_size),
            **recipe,
        )
    note(f"{out}: {of_files(names, skipped)}, {size_of(refs)}")
    warn_of_problems(refs.problems)


@chunkmap.command()
@click.argument("out", type=FILE, metavar="OUT")
@click.argument("urls", type=FILE, nargs=-1, required=True, metavar="URL...")
@partial(combine_options, required=False)
@workers_option
@cache_option
@click.option("--overwrite", is_flag=True, help="Let the new files win where OUT holds the same.")
@partial(fit_options, remembered=True)
@scan_options
@storage_option
@set_option
def append(
    *,
    out: str,
    urls: tuple[str, ...],
    workers: int,
    cache: str | None,
    overwrite: bool,
    load_below: int | None,
    zarr_format: int | None,
    inline_threshold: int | None,
    file_format: str | None,
    allow: tuple[str, ...],
    format_options: Mapping[str, str],
    skip_errors: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
    **recipe: Any,
) -> None:
    """Scan more files and add them to the set OUT.

    A Parquet set that chunkmap built remembers how; of other sets, say it again with --concat and its like.
    """
    names = expand(urls, storage_options=storage_options)
    with pool(workers) as executor, warnings_as_notes() as skipped, counting("scanning", len(names)) as progress:
        refs = library.append(
            out,
            names,
            executor=executor,
            progress=progress,
            storage_options=storage_options,
            output_options=set_options,
            on_error=on_error(skip=skip_errors),
            scan_options=scanned_with(file_format, inline_threshold, allow, format_options),
            cache=cache,
            overwrite=overwrite,
            **given(load_below=load_below, zarr_format=zarr_format),
            **{name: value for name, value in recipe.items() if value},
        )
    note(f"{out}: {of_files(names, skipped)} more, {size_of(refs)}")
    warn_of_problems(refs.problems)


@chunkmap.command()
@click.argument("stored", type=FILE, metavar="IN")
@click.argument("out", type=FILE, metavar="OUT")
@click.option("--record-size", type=click.IntRange(1), metavar="ROWS", help="Rows of a Parquet partition.")
@click.option("--zarr-format", type=click.Choice(["2", "3"]), help="Keys and documents of Zarr v2 (else), or v3.")
@click.option("--uneven-group", metavar="NAME", help="A group for arrays whose chunks are of several lengths.")
@set_option
def convert(
    *,
    stored: str,
    out: str,
    record_size: int | None,
    zarr_format: str | None,
    uneven_group: str | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Turn JSON into Parquet or Icechunk, or back, or into the other version of Zarr.

    The form of each is told from its name: x.json, x.json.gz, x.json.zst, x.parq, x.icechunk. Parquet is of Zarr v2,
    Icechunk of v3.
    """
    refs = library.load(stored, storage_options=set_options)
    note_of_icechunk(out)
    version = None if zarr_format is None else int(zarr_format)
    with warnings_as_notes():
        how = given(record_size=record_size, zarr_format=version, uneven_group=uneven_group)
        library.write(refs, out, storage_options=set_options, **how)
    note(f"{out}: {size_of(refs)}")


@chunkmap.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.argument("array", required=False, metavar="[ARRAY]")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, with attributes.")
@click.option("--html", "html", type=FILE, metavar="FILE", help="Write a page that shows it, with the grids of chunks.")
@set_option
def inspect(
    *, stored: str, array: str | None, as_json: bool, html: str | None, set_options: Mapping[str, Any] | None
) -> None:
    """Show what a stored set holds, or one array of it.

    Its arrays with their chunks, codecs and sizes, its files, and what could not be represented.
    """
    refs = library.load(stored, storage_options=set_options)
    shown = refs if array is None else only(refs, array)
    if html is not None:
        Path(html).write_text(page(replace(shown, name=stored), stored), encoding="utf-8")
    elif as_json:
        option = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        click.echo(orjson.dumps(facts_of(shown, stored), default=float, option=option))
    else:
        describe(shown, stored)
    warn_of_problems(shown.problems)


@chunkmap.command()
@click.argument("stored", type=FILE, metavar="SET")
@click.option("--decode", type=click.Choice(["none", "sample", "all"]), default="none", help="Read chunks as well.")
@click.option("--compare", is_flag=True, help="Read them with the format's own library too, and compare.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Chunks of each array in a sample.")
@click.option("--allow", multiple=True, metavar="PREFIX", help="What URLs in the set may begin with.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@storage_option
@set_option
def verify(
    *,
    stored: str,
    decode: Literal["none", "sample", "all"],
    compare: bool,
    sample: int | None,
    allow: tuple[str, ...],
    as_json: bool,
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Check that a set still says the truth.

    Its files are there, as they were when they were scanned, and long enough. The exit status is 1 when something is
    wrong.
    """
    options = given(sample=sample, allow=allow or None, remote_options=storage_options, storage_options=set_options)
    report = library.verify(stored, decode=decode, compare=compare, **options)
    click.echo(orjson.dumps(report.to_dict()) if as_json else str(report))
    if not report:
        raise click.exceptions.Exit(1)


chunkmap.add_command(doctor)
chunkmap.add_command(dump)
chunkmap.add_command(formats)


# ---------------------------------------------------------------- where results go


def _deliver(refs: ReferenceSet, target: str | None, options: Mapping[str, Any] | None) -> None:
    if target is None:
        describe(refs, refs.name or "")
    elif target == "-":
        click.echo(orjson.dumps(refs.to_dict(zarr_format=refs.zarr_format)))
    else:
        library.write(refs, target, storage_options=options, zarr_format=refs.zarr_format)
        note(f"{target}: {size_of(refs)}")
