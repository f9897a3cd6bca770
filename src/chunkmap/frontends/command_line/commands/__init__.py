"""The commands, one file each: each turns words into arguments, calls one verb of the library, says what came of it.

A command is imported when it is asked for, so that the others cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from chunkmap.errors import ChunkmapError, NoSuchOption, respelled
from chunkmap.version import __version__

__all__ = ["COMMANDS", "chunkmap"]

COMMANDS: Final[Mapping[str, str]] = {
    "append": "Scan more files and add them to the set OUT.",
    "build": "Scan files, combine, write one set.",
    "combine": "Make one set of many stored ones.",
    "convert": "Turn JSON into Parquet or Icechunk, or back, or into the other version of Zarr.",
    "diagnose": "Say whether stored sets, or files, fit together.",
    "doctor": "Say what is installed, and what is missing.",
    "dump": "Print the header of a file or of a set, as `ncdump -hs` does.",
    "export": "Copy the values of a set, or of a file, into a Zarr store.",
    "formats": "List the formats that are scanned, with their options for --option.",
    "inspect": "Show what a stored set holds, or one array of it.",
    "intake": "Print a catalog of intake with a stored set as its source.",
    "merge": "Make one set of stored ones that hold different arrays.",
    "plot": "Show where chunks lie, and what reads of them would touch.",
    "scan": "Find the chunks of files.",
    "serve": "Serve a set as a plain Zarr store over HTTP.",
    "stac": "Print an Item of STAC for a stored set.",
    "verify": "Check that a set still says the truth.",
}
"""The name of each command and the first line of its help: the overview imports none of them."""


class _Group(click.Group):
    """A group of commands whose failures are one line on standard error and exit status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of this name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        if _verbose not in command.params:
            command.params.append(_verbose)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """The overview, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what is expected to fail is said in one line."""
        if ctx.params.get("traceback"):
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            notes = getattr(stop, "__notes__", ["Stopped; nothing half-written is left."])
            click.echo(
                notes[0].replace("cache='DIR'", "--cache DIR").replace("the same call", "the same command"), err=True
            )
            ctx.exit(130)
        except BrokenPipeError:  # whoever reads our output has seen enough; click ends quietly
            raise
        except (ChunkmapError, NoSuchOption, OSError, ValueError) as error:
            from chunkmap.frontends.command_line.arguments import as_option  # noqa: PLC0415 - only where it fails

            remedies = error.remedies if isinstance(error, ChunkmapError) else ()
            line = " ".join(respelled(str(error), remedies, as_option).split()) or type(error).__name__
            raise click.ClickException(line) from error


def _show_logs(ctx: click.Context, _param: click.Parameter, count: int) -> None:
    """Show what is logged, on standard error."""
    if count:
        import logging  # noqa: PLC0415 - only for who asks

        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        root = logging.getLogger("chunkmap")
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        ctx.call_on_close(lambda: root.removeHandler(handler))
        ctx.call_on_close(lambda: root.setLevel(level))


_verbose: Final = click.Option(
    ["-v", "--verbose"],
    count=True,
    expose_value=False,
    is_eager=True,
    callback=_show_logs,
    help="Say on standard error what is scanned, tried again, decided and written.",
)
"""An option of every command, and before any."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chunkmap")
@click.option(
    "-v", "--verbose", count=True, expose_value=False, callback=_show_logs, help="Say more on standard error."
)
@click.option("--traceback", is_flag=True, help="On failure, show where in the code it came from.")
def chunkmap(*, traceback: bool) -> None:
    """Open thousands of archival files as one lazy Zarr dataset, without copying a byte."""
    del traceback  # looked up by the group, before any command runs
