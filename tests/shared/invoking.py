"""The command line, run in this process."""

from click.testing import CliRunner

from chunkmap.frontends.command_line.commands import chunkmap


def run(*words):
    """Run `chunkmap` with these words."""
    return CliRunner().invoke(chunkmap, [str(word) for word in words])
