"""The recipes of docs/hdf4.md for tiles and days, as they stand there."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import chunkmap
from chunkmap.errors import CombineError

HERE = Path(__file__)
PAGE = HERE.parents[3] / "docs" / "hdf4.md"
EOS = runpy.run_path(str(HERE.with_name("test_eos.py")))
DAYS, COLUMNS, ROWS = (336, 337), (18, 19), (4, 5)


def tile(day, column, row):
    """What a tile holds: 2 rows of 4 cells."""
    return (np.arange(8).reshape(2, 4) + 1000 * (day - 336) + 100 * (column - 18) + 10 * (row - 4)).astype(">i2")


@pytest.fixture
def tiles(recipe, tmp_path, monkeypatch):
    """Two days of two by two tiles, named as those of MODIS are, and the working directory among them."""
    monkeypatch.chdir(tmp_path)
    for day in DAYS:
        for column in COLUMNS:
            for row in ROWS:
                west, north = (column - 18) * 4_000_000, (6 - row) * 2_000_000
                metadata = EOS["GRID"].format(
                    projection="GCTP_SNSOID", corners=(west, north, west + 4_000_000, north - 2_000_000)
                )
                fields = [("lst", ("YDim", "XDim"), tile(day, column, row))]
                data = EOS["eos_file"](type(recipe)(), "GRID", "MOD", fields, metadata)
                Path(f"MOD11A1.A2019{day}.h{column}v{row:02}.061.hdf").write_bytes(data)


def rectangle(day):
    """All tiles of a day beside one another."""
    return np.block([[tile(day, column, row) for column in COLUMNS] for row in ROWS])


@pytest.fixture
def recipes(tiles):
    """The blocks of the page, run one after another."""
    section = PAGE.read_text().partition("## Tiles, and days")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(block, names)


def opened(name):
    with xr.open_datatree(name, engine="chunkmap") as tree:
        return tree.load()


@pytest.mark.usefixtures("recipes")
def test_the_recipes_of_the_page():
    """Tiles of a day, days of a tile, and both at once have every value where it belongs, and coordinates that rise."""
    day, one, everything = (opened(f"{name}.parquet") for name in ("day", "tile", "all"))
    np.testing.assert_array_equal(day["MOD/lst"], rectangle(336))
    np.testing.assert_array_equal(one["MOD/lst"], [tile(day, 18, 4) for day in DAYS])
    np.testing.assert_array_equal(everything["MOD/lst"], [rectangle(day) for day in DAYS])
    for tree in (day, everything):
        assert tree["MOD/XDim"].values.tolist() == [500_000 + 1_000_000 * n for n in range(8)]
        assert tree["MOD/YDim"].values.tolist() == [3_500_000 - 1_000_000 * n for n in range(4)]
    for tree in (one, everything):
        assert tree["time"].values.astype("M8[D]").astype(str).tolist() == ["2019-12-02", "2019-12-03"]
    assert {tree["MOD/crs"].dims for tree in (day, one, everything)} == {()}


@pytest.mark.usefixtures("tiles")
def test_a_tile_that_is_missing():
    """A tile that is not there is refused where the field has no fill value, and zeros where that is waived."""
    Path("MOD11A1.A2019336.h19v05.061.hdf").unlink()
    names = sorted(map(str, Path().glob("*A2019336*.hdf")))
    with pytest.raises(CombineError, match="8 of 32 places"):
        chunkmap.build(names, "day.parquet", concat_dims=["YDim", "XDim"])
    chunkmap.build(names, "day.parquet", concat_dims=["YDim", "XDim"], waive=["missing"])
    expected = rectangle(336)
    expected[2:, 4:] = 0
    np.testing.assert_array_equal(opened("day.parquet")["MOD/lst"], expected)
