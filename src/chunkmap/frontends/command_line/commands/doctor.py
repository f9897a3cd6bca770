"""`chunkmap doctor`: what is installed here, what is missing for what, and the line that installs it."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from typing import Any, Final

import click
import orjson

import chunkmap as library
from chunkmap.formats import FORMATS

__all__ = ["doctor", "examined"]

_REQUIREMENT: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^]]*)\])?[^;]*(?:;(.*))?$")
_EXTRA: Final = re.compile(r"extra == ['\"]([^'\"]+)['\"]")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
def doctor(*, as_json: bool) -> None:
    """Say what is installed, and what is missing.

    Versions, extras with the packages that they lack, and the line that installs them. The exit status is 1 where the
    installation is broken: where a package that is always needed is missing, or kerchunk shares the environment.
    """
    found = examined()
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
    if _version("kerchunk") is not None:
        wrong.append(
            "kerchunk is installed as well, and both write the package `kerchunk`: what is imported by that name is a"
            " mixture. Keep them in environments of their own, and install the one that is to stay again"
        )
    return {
        "chunkmap": library.__version__,
        "python": platform.python_version(),
        "packages": core,
        "extras": extras,
        "formats": {row.name: row.extra for row in FORMATS},
        "wrong": wrong,
    }


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
    yield from (f"wrong: {text}" for text in found["wrong"])
    if not found["wrong"]:
        yield "nothing is wrong"
