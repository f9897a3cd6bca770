"""`chunkmap doctor`: what is installed here, what is missing for what, and the line that installs it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from typing import Any, Final

import click
import orjson

import chunkmap as library
from chunkmap.access.decoding import make_codec
from chunkmap.codecs.table import CODECS_BY_ID
from chunkmap.errors import Unsupported
from chunkmap.formats import FORMATS
from chunkmap.frontends.command_line.facts import who_reads
from chunkmap.frontends.command_line.options import FILE, set_option
from chunkmap.model import ReferenceSet
from chunkmap.settings import settings, settings_file

__all__ = ["doctor", "examined"]

_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^]]*)\])?[^;]*(?:;(.*))?$")
_EXTRA: Final = re.compile(r"extra == ['\"]([^'\"]+)['\"]")


@click.command()
@click.argument("stored", type=FILE, required=False, metavar="[SET]")
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@set_option
def doctor(*, stored: str | None, as_json: bool, set_options: Mapping[str, Any] | None) -> None:
    """Say what is installed, and what is missing.

    Versions, extras with the packages that they lack, and the line that installs them. Of a SET, which codecs are
    missing here to read it, and which other readers decode its arrays. The exit status is 1 where the installation is
    broken: where a package that is always needed is missing, or codecs of SET are.
    """
    found = examined()
    if stored is not None:
        refs = library.load(stored, storage_options=set_options)
        found["set"] = {"name": stored, "readers": who_reads(refs)}
        found["wrong"] += _undecodable(refs, found["extras"])
    click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2) if as_json else "\n".join(_lines(found)))
    if found["wrong"]:
        raise click.exceptions.Exit(1)


def examined() -> dict[str, Any]:
    """What is installed here, as JSON has it: an absent package has no version."""
    needs = _needs()
    extras = {}
    for extra, packages in needs.items():
        absent = [package for package in packages if _version(package) is None]
        if extra:
            extras[extra] = {"packages": {package: _version(package) for package in packages}, "missing": absent}
    core = {package: _version(package) for package in needs.get("", [])}
    wrong = [f"{package} is missing: pip install {package}" for package, found in core.items() if found is None]
    return {
        "chunkmap": library.__version__,
        "python": platform.python_version(),
        "packages": core,
        "extras": extras,
        "settings": {"file": str(settings_file()), **settings()},
        "import kerchunk": _whose_kerchunk(),
        "formats": {row.name: row.extra for row in FORMATS},
        "wrong": wrong,
    }


def _whose_kerchunk() -> str:
    """What `import kerchunk` finds here: kerchunk itself goes before the names of it that come with chunkmap."""
    theirs = _version("kerchunk")
    if theirs is not None:
        return f"kerchunk {theirs} itself; without it, the names of kerchunk that come with chunkmap"
    return "the names of kerchunk that come with chunkmap" if find_spec("kerchunk") else "nothing"


def _undecodable(refs: ReferenceSet, extras: Mapping[str, Any]) -> Iterator[str]:
    """What of a set cannot be decoded here, and the line that mends it."""
    for path, array in refs.arrays.items():
        for codec in array.meta.codecs:
            row = CODECS_BY_ID.get(codec["id"])
            if row is not None and row.extra is not None and extras.get(row.extra, {}).get("missing"):
                yield f"{path}: its codec {row.id} needs more here: pip install 'chunkmap[{row.extra}]'"
            try:
                make_codec(codec)
            except Unsupported as error:
                yield f"{path}: {error}"


def _needs() -> dict[str, list[str]]:
    """Extra -> the packages that it asks for; under "" those that are always needed."""
    found: dict[str, list[str]] = {}
    for requirement in requires("chunkmap") or ():
        matched = _REQUIREMENT.match(requirement)
        if matched is None or matched[1] == "chunkmap":
            continue
        extra = _EXTRA.search(matched[3] or "")
        if extra is None and matched[3]:
            continue  # only on some platforms: where it is not, something else does its work
        found.setdefault(extra[1] if extra else "", []).append(matched[1])
    return found


def _version(package: str) -> str | None:
    try:
        distribution(package)
    except PackageNotFoundError:
        return None
    return version(package)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"chunkmap {found['chunkmap']}, Python {found['python']}"
    yield "  " + ", ".join(f"{package} {number or 'missing'}" for package, number in found["packages"].items())
    said = {name: value for name, value in found["settings"].items() if name != "file"}
    shown = ", ".join(f"{name}={value}" for name, value in said.items()) or "nothing is set"
    yield f"  settings: {shown} ({found['settings']['file']})"
    yield f"  import kerchunk: {found['import kerchunk']}"
    yield "extras"
    for extra, state in found["extras"].items():
        if state["missing"]:
            yield f"  {extra}: lacks {', '.join(state['missing'])}: pip install 'chunkmap[{extra}]'"
        else:
            yield f"  {extra}: " + ", ".join(f"{package} {number}" for package, number in state["packages"].items())
    yield "formats"
    for name, extra in found["formats"].items():
        lacking = extra is not None and found["extras"].get(extra, {}).get("missing")
        yield f"  {name}: " + (f"not scanned without chunkmap[{extra}]" if lacking else "scanned")
    if "set" in found:
        yield f"readers of {found['set']['name']}, and what they decode"
        yield from (f"  {line}" for line in found["set"]["readers"])
    yield from (f"wrong: {text}" for text in found["wrong"])
    if not found["wrong"]:
        yield "nothing is wrong"
