"""Where the cells of grids are: GCTP's projections, beside numbers that others have printed."""

import numpy as np
import pytest

from chunkmap.errors import Unsupported
from chunkmap.formats.hdf4.eos import Structure
from chunkmap.formats.hdf4.grid_places import places_of
from chunkmap.formats.hdf4.projections import Grid, crs_attrs, grid_of, latitudes_longitudes, positions

ZEROS = (0.0,) * 13


def parameters(**given):
    """Thirteen of them, those that are given by their place, `_4` and the like."""
    out = list(ZEROS)
    for place, value in given.items():
        out[int(place[1:])] = float(value)
    return tuple(out)


def forward(grid, longitude, latitude):
    """Where a point is on the projection of a grid."""
    pyproj = pytest.importorskip("pyproj")
    return pyproj.Proj(grid.words)(longitude, latitude)


def on(projection, given=ZEROS, sphere=-1, zone=0):
    """A grid of six cells on a projection."""
    return Grid(3, 2, (400_000, 900_000), (700_000, 700_000), projection, given, sphere, zone)


@pytest.mark.parametrize("grid", [
    on("GCTP_UTM", zone=-33),
    on("GCTP_PS", parameters(_0=6378273, _1=-0.006694, _4=-45000000, _5=70000000)),
    on("GCTP_LAMAZ", parameters(_0=6371228, _5=90000000)),
    on("GCTP_ALBERS", parameters(_2=29030000, _3=45030000, _4=-96000000, _5=23000000), 12),
    on("GCTP_LAMCC", parameters(_2=29030000, _3=45030000, _4=-96000000, _5=23000000), 12),
    on("GCTP_EQUIDC", parameters(_2=29030000, _3=45030000, _4=-96000000, _5=23000000, _8=1), 12),
    on("GCTP_EQUIDC", parameters(_2=29030000, _4=-96000000, _5=23000000), 12),
    on("GCTP_TM", parameters(_2=0.9999, _4=-75000000, _6=500000)),
    on("GCTP_HOM", parameters(_2=0.9996, _3=30000000, _4=-100000000, _5=40000000, _12=1), 12),
    on("GCTP_GOOD", parameters(_0=6371228)),
    on("GCTP_CEA", parameters(_5=30000000), 12),
    on("GCTP_SNSOID", parameters(_0=6371007.181)),
    on("GCTP_ISINUS", parameters(_0=6371007.181, _8=86400, _10=1)),
], ids=lambda grid: grid.projection)  # fmt: skip
def test_every_cell_has_a_place(grid):
    """A grid has a mapping, and positions that go back to where they came from."""
    assert crs_attrs(grid)["gctp_projection"] == grid.projection
    y, x = np.broadcast_arrays(*np.ix_(*positions(grid)))
    latitude, longitude = latitudes_longitudes(grid, y, x)
    assert np.isfinite(latitude).all()
    if grid.projection == "GCTP_ISINUS":
        return
    back = forward(grid, longitude, latitude)
    np.testing.assert_allclose(back[0], x, atol=1e-3)
    np.testing.assert_allclose(back[1], y, atol=1e-3)


@pytest.mark.parametrize(("grid", "axes"), [
    (on("GCTP_PS", parameters(_0=6378273, _1=-0.006694)), (6378273, 6356889.0742)),
    (on("GCTP_PS", parameters(_0=6378273, _1=6356889.4485)), (6378273, 6356889.4485)),
    (on("GCTP_PS", parameters(_0=6378273)), (6378273, 6378273)),
    (on("GCTP_PS", parameters(_0=6378273), sphere=12), (6378137, 6356752.314245)),
    (on("GCTP_PS", parameters(_1=0.0067)), (6378206.4, 6356583.8)),
    (on("GCTP_PS"), (6370997, 6370997)),
    (on("GCTP_PS", sphere=22), (6378273, 6356889.4485)),
    (on("GCTP_LAMAZ", parameters(_0=6371228)), (6371228, 6371228)),
    (on("GCTP_LAMAZ", parameters(_0=6371228), sphere=12), (6370997, 6370997)),
    (on("GCTP_UTM", parameters(_0=-75000000), zone=0), (6378206.4, 6356583.8)),
    (on("GCTP_BCEA"), (6371228, 6371228)),
    (on("GCTP_BCEA", parameters(_0=6371000), sphere=12), (6371000, 6371000)),
    (on("GCTP_CEA", sphere=12), (6378137, 6356752.314245)),
])  # fmt: skip
def test_the_size_of_the_earth(grid, axes):
    """A code of a spheroid counts before parameters; some projections are on a sphere; an eccentricity has a sign."""
    np.testing.assert_allclose(grid.axes, axes, rtol=0, atol=1e-3)


def test_polar_stereographic_on_an_ellipsoid():
    """The upper left corner of NSIDC's northern grid lies at 30.98 N, 168.35 E, as its user's guide says."""
    pytest.importorskip("pyproj")
    grid = on("GCTP_PS", parameters(_0=6378273, _1=-0.006694, _4=-45000000, _5=70000000))
    found = latitudes_longitudes(grid, np.array([5_850_000.0]), np.array([-3_850_000.0]))
    np.testing.assert_allclose(found, ([30.98], [168.35]), atol=0.006, strict=True)


@pytest.mark.parametrize(("origin", "corner", "first"), [
    ("UL", False, (1.5, 0.5)), ("LL", False, (1.5, 0.5)), ("UR", False, (1.5, 0.5)), ("UL", True, (2.0, 0.0)),
    ("UR", True, (2.0, 1.0)), ("LL", True, (1.0, 0.0)), ("LR", True, (1.0, 1.0)),
])  # fmt: skip
def test_origin_and_registration(origin, corner, first):
    """Cells count from the upper left; where they stand for a corner, the origin of the grid says for which."""
    y, x = positions(Grid(4, 2, (0, 2), (4, 0), "GCTP_GEO", origin=f"HDFE_GD_{origin}", corner=corner))
    assert (y[0], x[0]) == first
    assert (np.diff(y)[0], np.diff(x)[0]) == (-1, 1)


def test_utm_by_a_point_in_the_zone():
    """Without a zone, it is that of a point, which the first two parameters name."""
    pytest.importorskip("pyproj")
    assert "+zone=18 +south" in on("GCTP_UTM", parameters(_0=-75000000, _1=-10000000)).words


def test_corners_in_degrees():
    """The corners of an EASE grid (BCEA) are packed degrees, and its axes metres."""
    pytest.importorskip("pyproj")
    corners = {"UpperLeftPointMtrs": [-180000000.0, 86043034.0], "LowerRightMtrs": [180000000.0, -86043034.0]}
    how = {"Projection": "GCTP_BCEA", "ProjParams": [0, 0, 0, 0, 0, 30000000.0]}
    y, x = positions(grid_of({"XDim": 1383, "YDim": 586, **how, **corners}))
    np.testing.assert_allclose(np.diff(x), 25067.525, atol=0.1)  # the size of its cells, as NSIDC gives it
    np.testing.assert_allclose(np.diff(y), -25067.525, atol=5)


def hotine(latitude, longitude, *, lat_0, k, alpha, center, axes):
    """Hotine's projection by the azimuth at a point: Snyder, Map Projections: A Working Manual, pages 69 to 72."""
    major, minor = axes
    e = np.sqrt(1 - (minor / major) ** 2)

    def t(phi):
        return np.tan(np.pi / 4 - phi / 2) / ((1 - e * np.sin(phi)) / (1 + e * np.sin(phi))) ** (e / 2)

    b = np.sqrt(1 + e**2 * np.cos(lat_0) ** 4 / (1 - e**2))
    a = major * b * k * np.sqrt(1 - e**2) / (1 - e**2 * np.sin(lat_0) ** 2)
    d = b * np.sqrt(1 - e**2) / (np.cos(lat_0) * np.sqrt(1 - e**2 * np.sin(lat_0) ** 2))
    f = d + np.sign(lat_0) * np.sqrt(d**2 - 1)
    scale, g = f * t(lat_0) ** b, (f - 1 / f) / 2
    gamma = np.arcsin(np.sin(alpha) / d)
    lon_0 = center - np.arcsin(g * np.tan(gamma)) / b
    q = scale / t(latitude) ** b
    s, cosh, v = (q - 1 / q) / 2, (q + 1 / q) / 2, np.sin(b * (longitude - lon_0))
    u = (-v * np.cos(gamma) + s * np.sin(gamma)) / cosh
    aside = a * np.log((1 - u) / (1 + u)) / (2 * b)
    along = a / b * np.arctan2(s * np.cos(gamma) + v * np.sin(gamma), np.cos(b * (longitude - lon_0)))
    along -= np.sign(lat_0) * a / b * np.arctan(np.sqrt(d**2 - 1) / np.cos(alpha))
    return aside * np.cos(alpha) + along * np.sin(alpha), along * np.cos(alpha) - aside * np.sin(alpha)


@pytest.mark.parametrize("latitude", [40, -36])
def test_hotine_oblique_mercator(latitude):
    """By the azimuth of its central line, positions are what the formula says."""
    given = parameters(_2=0.9996, _3=30000000, _4=-100000000, _5=latitude * 1e6, _6=4e5, _7=5e4, _12=1)
    grid, to_radians = on("GCTP_HOM", given, 12), np.radians
    how = {"lat_0": to_radians(latitude), "k": 0.9996, "alpha": to_radians(30), "center": to_radians(-100)}
    x, y = hotine(to_radians(latitude + 5), to_radians(-97), **how, axes=grid.axes)
    np.testing.assert_allclose(forward(grid, -97, latitude + 5), (x + 4e5, y + 5e4), atol=1e-3)


def test_hotine_oblique_mercator_by_two_points():
    """Two points of the central line say what its azimuth says: both lie on it, at its scale."""
    given = {"_2": 0.9996, "_5": 40000000, "_8": -122018000, "_9": 47030000, "_10": -80012000, "_11": 25042000}
    grid = on("GCTP_HOM", parameters(**given), 0)
    pyproj = pytest.importorskip("pyproj")
    factors = [
        pyproj.Proj(grid.words).get_factors(lon, lat).meridional_scale for lon, lat in ((-122.3, 47.5), (-80.2, 25.7))
    ]
    np.testing.assert_allclose(factors, 0.9996, atol=1e-4)


MISR = parameters(_0=6378137, _1=-0.006694, _3=98018013.752, _8=98.88, _11=180)
ON_PATH_160 = (*MISR[:4], -117054016.9215, *MISR[5:])


def test_space_oblique_mercator():
    """A point on path 160 is where the MISR Toolkit 1.5 has it, to less than a metre."""
    grid = on("GCTP_SOM", ON_PATH_160, 12)
    np.testing.assert_allclose(forward(grid, 65.7, 57.1), (13677973.731411265, 686274.716033836), atol=1)


def test_landsat_by_its_number_is_refused():
    """PROJ places a Landsat of which only number and path are said elsewhere than its orbit does: that is refused."""
    with pytest.raises(Unsupported, match="number of a Landsat"):
        crs_attrs(on("GCTP_SOM", parameters(_2=5, _3=15, _12=1), 12))


def a_stack(offsets):
    """The places of a grid in blocks."""
    structure = Structure("grid", "G", attrs={"_BLKSOM:G": offsets})
    return places_of(on("GCTP_SOM", ON_PATH_160, 12), structure, [{"SOMBlockDim": 3, "XDim": 3, "YDim": 2}])


def test_blocks_along_an_orbit():
    """Cells of the MISR Toolkit 1.5: block 69, line 100.2 and sample 89.9 of path 230, where its test has them."""
    grid = Grid(128, 512, (7460750, 1090650), (7601550, 527450), "GCTP_SOM", ON_PATH_160, 12)
    offsets = [0.0] * 67 + [-368.0, 0.0]
    structure = Structure("grid", "G", attrs={"_BLKSOM:G": offsets})
    places = places_of(grid, structure, [{"SOMBlockDim": 70, "XDim": 128, "YDim": 512}])
    assert places.named == ["som_y", "som_x"]
    assert (places.y[0], places.x[0]) == (("SOMBlockDim", "YDim"), ("SOMBlockDim", "XDim"))
    assert places.dims == ("SOMBlockDim", "YDim", "XDim")
    np.testing.assert_allclose(places.x[1][68, 100] + 0.2 * 1100, 17145920, atol=0.1)
    np.testing.assert_allclose(places.y[1][68, 89] + 0.9 * 1100, 222090, atol=0.1)
    y, x = places.mesh()
    assert y.shape == x.shape == (70, 512, 128)


@pytest.mark.parametrize("offsets", [None, [1.0], [1.0, 2.0, 3.0]])
def test_blocks_whose_offsets_are_missing(offsets):
    """Without the offset of each block, a stack has no coordinates."""
    with pytest.raises(Unsupported, match="offsets of 2 blocks"):
        a_stack(offsets)


RADIUS = 6371007.181


@pytest.mark.parametrize("justify", [0, 1, 2])
def test_integerized_sinusoidal(justify):
    """Each row has so many whole columns: their centres go round the earth at equal steps, and nothing lies beyond."""
    zones = 18
    grid = on("GCTP_ISINUS", parameters(_0=RADIUS, _4=10000000, _8=zones, _10=justify))
    row = np.pi * RADIUS / zones
    for zone in range(zones):
        middle = np.cos(np.radians(90 - (zone + 0.5) * 180 / zones))
        count = 2 * round(middle * zones) if justify == 2 else round(2 * middle * zones)
        west = (count + 1) // 2 if justify == 1 else count // 2
        x = (np.arange(-1, count + 1) + 0.5 - west) * row  # at the equator a column is as wide as a row is high
        latitude, longitude = latitudes_longitudes(grid, np.full(x.shape, (zones / 2 - zone - 0.5) * row), x)
        assert np.isnan([*longitude[[0, -1]], *latitude[[0, -1]]]).all()
        np.testing.assert_allclose(latitude[1:-1], 90 - (zone + 0.5) * 180 / zones)
        expected = 10 - 180 + (np.arange(count) + 0.5) * 360 / count
        np.testing.assert_allclose(longitude[1:-1], (expected + 180) % 360 - 180, atol=1e-9)


@pytest.mark.parametrize(("zones", "justify"), [(0, 0), (7, 0), (2.5, 0), (1e9, 0), (18, 3)])
def test_integerized_sinusoidal_that_cannot_be(zones, justify):
    """A number of zones that is odd, or none, is refused."""
    grid = on("GCTP_ISINUS", parameters(_0=RADIUS, _8=zones, _10=justify))
    with pytest.raises(Unsupported, match="zones"):
        latitudes_longitudes(grid, np.zeros(1), np.zeros(1))
