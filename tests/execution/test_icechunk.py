"""What is appended to Icechunk is what combining from scratch gives, and nothing is written of what does not fit."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from sets import file

import chunkmap
from chunkmap.errors import CombineError, StorageError, Unsupported
from chunkmap.io.filesystem import locate
from chunkmap.model import ReferenceSet
from chunkmap.storage.icechunk.repository import IS_FIRST, open_here

pytestmark = [
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification"),
    pytest.mark.filterwarnings("ignore:of [0-9]+ of [0-9]+ files"),
]

lists_references = pytest.mark.skipif(IS_FIRST, reason="Icechunk 1 does not tell where virtual chunks are")

MONTHS = ("2001-01-01", "2001-02-01", "2001-03-01")
DAYS = (30, 28, 31)


def write_month(path, number, kind="NETCDF4", **changes):
    """A month of a series, its time counted from the month's own first day; a grid; a group; gaps."""
    rng = np.random.default_rng(number)
    how = {"dtype": "f4", "fill": -9.0, "days": 6, **changes}
    with netCDF4.Dataset(path, "w", format=kind) as f:
        f.title = "series"
        f.createDimension("time", None)
        f.createDimension("x", 40)
        time = f.createVariable("time", "f8", ("time",))
        time.units, time.calendar = f"days since {MONTHS[number]}", "standard"
        time[:] = np.arange(how["days"])
        f.createVariable("x", "f4", ("x",))[:] = np.arange(40)
        options = {"chunksizes": (2, 20), "zlib": True, "shuffle": True} if kind == "NETCDF4" else {}
        field = f.createVariable("field", how["dtype"], ("time", "x"), fill_value=how["fill"], **options)
        field.units = "K"
        field[:] = rng.integers(0, 90, (how["days"], 40))
        field[1] = np.ma.masked
        f.createVariable("mask", "i1", ("x",))[:] = np.arange(40) % 2
        if kind == "NETCDF4":
            count = f.createGroup("g").createVariable("count", "i4", ("x", "time"), chunksizes=(40, 3))
            count[:] = rng.integers(0, 9, (40, how["days"]))


def scanned(tmp_path, kind="NETCDF4", changes=({}, {}, {})):
    """Three months, scanned, with no chunk inline."""
    sets = []
    for number, change in enumerate(changes):
        write_month(tmp_path / f"{number}.nc", number, kind, **change)
        sets.append(chunkmap.scan(str(tmp_path / f"{number}.nc"), inline_threshold=0))
    return sets


HOW = {"coo_map": {"time": "cf:time"}}


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_appending_is_combining_from_scratch(tmp_path, make_repository, kind):
    """One month onto two: the same as three at once, for every reader; and each append is one commit."""
    sets = scanned(tmp_path, kind)
    grown, scratch = make_repository(), make_repository()
    chunkmap.to_icechunk(chunkmap.combine(sets[:1], concat_dims="time", **HOW), grown)
    for refs in sets[1:]:
        chunkmap.to_icechunk(refs, grown, append_dim="time", **HOW)
    chunkmap.to_icechunk(chunkmap.combine(sets, concat_dims="time", **HOW), scratch)
    assert len(list(grown.ancestry(branch="main"))) == 4
    stores = [repository.readonly_session("main").store for repository in (grown, scratch)]
    for group in (None, "g") if kind == "NETCDF4" else (None,):
        opened = [xr.open_zarr(store, group=group, consolidated=False, chunks=None).load() for store in stores]
        xr.testing.assert_identical(*opened)
    engine = {"NETCDF4": "h5netcdf", "NETCDF3_CLASSIC": "scipy"}[kind]
    native = [xr.open_dataset(tmp_path / f"{number}.nc", engine=engine) for number in range(3)]
    joined = xr.concat(native, "time", data_vars="minimal", coords="minimal", compat="override", join="outer")
    root = xr.open_zarr(stores[0], consolidated=False, chunks=None)
    xr.testing.assert_equal(root[list(joined.variables)], joined)
    for dataset in native:
        dataset.close()
    if not IS_FIRST:
        assert chunkmap.load(grown) == chunkmap.load(scratch)


@pytest.mark.parametrize("how", [{"scattered": False}, {"scattered": True}, {"levels": (1.0, 2.0)}, {"chunk": (2, 3)}])
@lists_references
def test_references_go_where_combining_puts_them(make_repository, how):
    """Along the first axis or the last, in groups too: the references are those of combining all at once."""
    import icechunk

    container = {"s3://bucket/": (icechunk.s3_store(region="us-east-1"), icechunk.s3_anonymous_credentials())}
    container = {prefix: (store, icechunk.containers_credentials({prefix: access})[prefix])
                 for prefix, (store, access) in container.items()}  # fmt: skip
    sets = [file(number, range(4 * number, 4 * number + 4), **how) for number in range(4)]
    grown, scratch = make_repository(container), make_repository(container)
    chunkmap.to_icechunk(chunkmap.combine(sets[:2], concat_dims="time"), grown)
    chunkmap.to_icechunk(chunkmap.combine(sets[2:], concat_dims="time"), grown, append_dim="time")
    chunkmap.to_icechunk(chunkmap.combine(sets, concat_dims="time"), scratch)
    assert chunkmap.load(grown) == chunkmap.load(scratch)


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ([0, 1], (1, {}), "both hold time"),
        ([1, 2], (0, {}), "would have to move"),
        ([0, 1], (2, {"dtype": "f8"}), "field: .*dtype"),
        ([0, 1], (2, {"fill": -1.0}), "field: .*fill"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, repository, first, then, said):
    """In the words of combine, naming the array; the repository stays as it was."""
    then, changes = then
    sets = scanned(tmp_path, changes=[changes if number == then else {} for number in range(3)])
    chunkmap.to_icechunk(chunkmap.combine([sets[n] for n in first], concat_dims="time", **HOW), repository)
    before = repository.lookup_branch("main")
    with pytest.raises(CombineError, match=said):
        chunkmap.to_icechunk(sets[then], repository, append_dim="time", **HOW)
    assert repository.lookup_branch("main") == before
    assert repository.list_branches() == {"main"}


def test_what_ends_within_a_chunk_is_refused_or_read(tmp_path, repository):
    """After an odd number of days the next chunk falls between cells: small arrays are read, as combine reads them."""
    sets = scanned(tmp_path, changes=[{"days": 5}, {}, {}])
    chunkmap.to_icechunk(chunkmap.combine(sets[:1], concat_dims="time", **HOW), repository)
    with pytest.raises(CombineError, match="field"):
        chunkmap.to_icechunk(sets[1], repository, append_dim="time", load_below=0, **HOW)
    chunkmap.to_icechunk(sets[1], repository, append_dim="time", **HOW)
    field = zarr.open_array(repository.readonly_session("main").store, path="field", mode="r")
    native = [netCDF4.Dataset(tmp_path / f"{number}.nc") for number in range(2)]
    expected = np.concatenate([np.ma.filled(dataset["field"][:], -9.0) for dataset in native])
    np.testing.assert_array_equal(field[:], expected)


def scanned_months(tmp_path, lengths, **how):
    """Months of one variable, in chunks of one month along time and of 20 along x."""
    sets = []
    for number, days in enumerate(lengths):
        with netCDF4.Dataset(tmp_path / f"{number}.nc", "w") as f:
            f.createDimension("time", None)
            f.createDimension("x", 40)
            time = f.createVariable("time", "i4", ("time",))
            time[:] = np.arange(days) + sum(lengths[:number])
            field = f.createVariable("field", "f4", ("time", "x"), **{"chunksizes": (days, 20), "zlib": True, **how})
            field[:] = np.arange(40 * days).reshape(days, 40) + number / 8
        sets.append(chunkmap.scan(str(tmp_path / f"{number}.nc"), inline_threshold=0))
    return sets


RECTILINEAR = {"concat_dims": "time", "load_below": 0, "zarr_format": 3}


@lists_references
@pytest.mark.parametrize("how", [{}, {"chunksizes": (10, 20)}], ids=["whole months", "chunks that hang over"])
def test_chunks_of_several_lengths_go_on_with_others(tmp_path, repository, how):
    """A month onto two, the longest of all too, keeps its length without being asked to: as combined from scratch."""
    sets = scanned_months(tmp_path, (28, 30, 31), **how)
    chunkmap.to_icechunk(chunkmap.combine(sets[:2], **RECTILINEAR), repository)
    chunkmap.to_icechunk(sets[2], repository, append_dim="time", load_below=0)
    stored, scratch = chunkmap.load(repository), chunkmap.combine(sets, **RECTILINEAR)
    assert stored.arrays["field"].meta.chunks == scratch.arrays["field"].meta.chunks
    assert len(stored.arrays["field"].chunks) == len(scratch.arrays["field"].chunks)
    values = chunkmap.open_dataset(repository, allow=[f"{tmp_path}/"]).field.values
    native = [xr.open_dataset(tmp_path / f"{number}.nc", engine="h5netcdf") for number in range(3)]
    np.testing.assert_array_equal(values, np.concatenate([month.field.values for month in native]))
    for month in native:
        month.close()


@lists_references
def test_stored_chunks_that_would_have_to_be_cut_are_refused(tmp_path, repository):
    """An uncompressed chunk that hangs over the end of its file has no place within an axis; nothing is changed."""
    first, second = scanned_months(tmp_path, (31, 28), chunksizes=(10, 40), zlib=False)
    chunkmap.to_icechunk(first, repository)
    before = repository.lookup_branch("main")
    with pytest.raises(CombineError, match=r"field: .* or be cut"):
        chunkmap.to_icechunk(second, repository, append_dim="time", load_below=0, zarr_format=3)
    assert repository.lookup_branch("main") == before


@pytest.mark.skipif(not IS_FIRST, reason="Icechunk 2 has such grids")
def test_icechunk_1_has_no_chunks_of_several_lengths(tmp_path):
    """Said before a repository is made."""
    refs = chunkmap.combine(scanned_months(tmp_path, (31, 28)), **RECTILINEAR)
    with pytest.raises(Unsupported, match=r"field: .*Icechunk 1 has no grid"):
        chunkmap.write(refs, tmp_path / "x.icechunk")
    assert not (tmp_path / "x.icechunk").exists()


def test_a_later_file_may_win(tmp_path, repository):
    """With "overlap" waived, what is appended replaces what is there."""
    sets = scanned(tmp_path)
    chunkmap.to_icechunk(chunkmap.combine(sets[:2], concat_dims="time", **HOW), repository)
    write_month(tmp_path / "again.nc", 1)
    with netCDF4.Dataset(tmp_path / "again.nc", "a") as f:
        f["field"][:] = 5
    again = chunkmap.scan(str(tmp_path / "again.nc"), inline_threshold=0)
    chunkmap.to_icechunk(again, repository, append_dim="time", waive=["overlap"], **HOW)
    field = zarr.open_array(repository.readonly_session("main").store, path="field", mode="r")
    assert field.shape == (12, 40)
    assert (field[6:] == 5).all()
    assert not (field[:6] == 5).all()


def test_into_a_session_and_a_group(tmp_path, repository):
    """What is appended to a session is its owner's to commit; a group is appended to by itself."""
    sets = scanned(tmp_path, "NETCDF3_CLASSIC")
    for group in ("a", "b/c"):
        chunkmap.to_icechunk(chunkmap.combine(sets[:2], concat_dims="time", **HOW), repository, group=group)
    session = repository.writable_session("main")
    chunkmap.to_icechunk(sets[2], session.store, group="b/c", append_dim="time", **HOW)
    assert session.has_uncommitted_changes
    session.commit("mine")
    root = zarr.open_group(repository.readonly_session("main").store, mode="r")
    assert root["a/field"].shape == (12, 40)
    assert root["b/c/field"].shape == (18, 40)


def test_there_must_be_something_to_append_to(tmp_path, repository):
    """An empty store is refused; so are ways to combine that are not used."""
    refs = scanned(tmp_path)[0]
    with pytest.raises(CombineError, match="nothing to append to"):
        chunkmap.to_icechunk(refs, repository, append_dim="time")
    with pytest.raises(TypeError, match="only together with append_dim"):
        chunkmap.to_icechunk(refs, repository, **HOW)


# ---------------------------------------------------------------------- by path


def test_combined_sets_are_written_to_a_repository(tmp_path):
    """`build` and `combine` write to what is called .icechunk."""
    scanned(tmp_path)
    files = [str(tmp_path / f"{number}.nc") for number in range(3)]
    built = chunkmap.build(files, tmp_path / "built.icechunk", concat_dims="time", **HOW)
    sets = chunkmap.scan_many(files)
    assert built == chunkmap.combine(sets, out=tmp_path / "combined.icechunk", concat_dims="time", **HOW)
    for name in ("built", "combined"):
        store = open_here(locate(tmp_path / f"{name}.icechunk")).readonly_session("main").store
        assert zarr.open_array(store, path="field", mode="r").shape == (18, 40)


@lists_references
def test_files_are_appended_by_path(tmp_path):
    """`append` scans files, also of another directory, and adds them; how they are combined is said again."""
    scanned(tmp_path)
    (tmp_path / "later").mkdir()
    (tmp_path / "2.nc").rename(tmp_path / "later" / "2.nc")
    files = [str(tmp_path / name) for name in ("0.nc", "1.nc", "later/2.nc")]
    out, how = tmp_path / "series.icechunk", {**HOW, "scan_options": {"inline_threshold": 0}}
    chunkmap.build(files[:2], out, concat_dims="time", **how)
    with pytest.raises(CombineError, match="Say it again"):
        chunkmap.append(out, files[2:])
    appended = chunkmap.append(out, files[2:], concat_dims="time", **how)
    chunkmap.build(files, tmp_path / "whole.icechunk", concat_dims="time", **how)
    assert appended == chunkmap.load(out) == chunkmap.load(tmp_path / "whole.icechunk")


@pytest.mark.skipif(not IS_FIRST, reason="Icechunk 2 lists references")
def test_icechunk_1_cannot_give_the_stored_set(tmp_path):
    """What `append` gives cannot be had: refused before a file is scanned."""
    chunkmap.write(ReferenceSet(), tmp_path / "empty.icechunk")
    with pytest.raises(Unsupported, match=r"Icechunk 1.* does not tell"):
        chunkmap.append(tmp_path / "empty.icechunk", ["no.nc"], concat_dims="time")


def test_a_repository_elsewhere_is_opened_by_its_owner():
    """How it is reached is not guessed."""
    with pytest.raises(StorageError, match="open this one with icechunk"):
        chunkmap.write(ReferenceSet(), "memory://bucket/x.icechunk")
    with pytest.raises(StorageError, match="open this one with icechunk"):
        chunkmap.load("memory://bucket/x.icechunk")
