"""`chunkmap serve`: a set as a plain Zarr store over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import click

import chunkmap as library
from chunkmap.frontends.command_line.display import note
from chunkmap.frontends.command_line.options import FILE, set_option, storage_option
from chunkmap.frontends.serving import application
from chunkmap.packages import require

__all__ = ["serve"]


@click.command()
@click.argument("stored", type=FILE, metavar="SET|FILE")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at; 0.0.0.0 for all.")
@click.option("--zarr-format", type=click.Choice(["2", "3"]), help="The version of Zarr; else that of the set.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Pages that may read it from a browser; '*' for all.")
@click.option("--allow", multiple=True, metavar="PREFIX", help="What URLs in the set may begin with.")
@storage_option
@set_option
def serve(
    *,
    stored: str,
    port: int,
    host: str,
    zarr_format: str | None,
    cors: tuple[str, ...],
    allow: tuple[str, ...],
    storage_options: Mapping[str, Any] | None,
    set_options: Mapping[str, Any] | None,
) -> None:
    """Serve a set as a plain Zarr store over HTTP.

    Read-only, on this machine only unless --host says otherwise, until it is stopped by Ctrl-C. Whatever reads Zarr
    from a web server reads it: viewers in browsers, zarrita, DuckDB, GDAL, xarray.
    """
    uvicorn = require("uvicorn", "serve", "chunkmap serve")
    version = cast("Literal[2, 3] | None", None if zarr_format is None else int(zarr_format))
    store = library.open_store(
        stored, zarr_format=version, storage_options=set_options, remote_options=storage_options, allow=allow or None
    )
    server = uvicorn.Server(
        uvicorn.Config(application(store, origins=cors), host=host, port=port, log_level="warning", lifespan="off")
    )
    server.config.load()
    socket = server.config.bind_socket()
    note(f"{stored}: Zarr v{store.zarr_format} at http://{host}:{socket.getsockname()[1]}/ until Ctrl-C")
    server.run(sockets=[socket])
