"""Tables of sources, packed and not, against the tuples that they stand for."""

import pickle
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkmap.model import ChunkManifest, Placement, Sources, SourceTable, place
from chunkmap.model.moving import moved
from chunkmap.model.packed_sources import PackedSources
from chunkmap.model.renaming import renamed
from chunkmap.model.sources import MANY

TEXT = st.text(st.sampled_from("ab/é\udc80\0"), max_size=5)
URLS = st.builds("".join, st.tuples(st.sampled_from(["", "s3://b/x/", "s3://b/é/"]), TEXT))
SOURCES = st.lists(URLS | st.binary(max_size=4), max_size=8)


@st.composite
def tables(draw):
    """A table in which some sources are packed, and the tuple that it stands for."""
    runs = draw(st.lists(SOURCES, min_size=1, max_size=3))
    packed = [draw(st.booleans()) for _ in runs]
    blocks = [PackedSources.of(run) if pack else tuple(run) for run, pack in zip(runs, packed, strict=True)]
    return Sources.joined([(None,), *blocks]), (None, *(source for run in runs for source in run))


def packed_manifest(urls):
    """A manifest of a row for each URL, which are packed."""
    count = len(urls)
    columns = np.arange(1, count + 1, dtype=np.uint32), np.zeros(count, np.uint64), np.full(count, 5, np.uint64)
    return ChunkManifest((count,), Sources((None,), PackedSources.of(urls)), *columns)


@given(tables())
def test_a_packed_table_is_a_sequence_of_its_sources(pair):
    """Length, items, slices, order, equality and pickles are those of the tuple."""
    table, expected = pair
    assert tuple(table) == expected
    assert table == expected
    assert [table[n] for n in range(-len(expected), len(expected))] == [*expected, *expected]
    assert table[1:3] == expected[1:3]
    assert pickle.loads(pickle.dumps(table)) == table == Sources(expected)
    assert table != Sources((*expected, "one more"))


@given(tables())
def test_a_packed_table_says_what_is_inline(pair):
    """Which sources are blobs, how many bytes they have, any range of them, and the URLs as a sequence."""
    table, expected = pair
    urls = [source for source in expected if isinstance(source, str)]
    assert table.inline.tolist() == [isinstance(source, bytes) for source in expected]
    assert table.inline_nbytes == sum(len(source) for source in expected if isinstance(source, bytes))
    assert list(table.urls) == urls
    assert [table.urls[n] for n in range(len(urls))] == urls
    assert list(table.urls[1:]) == urls[1:]
    for number, source in enumerate(expected):
        if isinstance(source, bytes):
            assert table.inline_range(number, 1, 3) == source[1:3]
        else:
            with pytest.raises(TypeError, match="not inline"):
                table.inline_range(number, 1, 3)


@given(tables(), st.data())
def test_sources_are_kept_renamed_and_replaced(pair, data):
    """What an edit of the table gives, and where each number goes, is what it is for a tuple."""
    table, expected = pair
    used = np.array([data.draw(st.booleans()) for _ in expected])
    kept, numbers = table.kept(used)
    assert tuple(kept) == (None, *(s for s, use in zip(expected[1:], used[1:].tolist(), strict=True) if use))
    assert all(kept[int(numbers[n])] == expected[n] for n in np.flatnonzero(used))
    renamed, numbers = table.renamed(str.upper)
    wanted = [s.upper() if isinstance(s, str) else s for s in expected]
    assert [renamed[n] for n in numbers.tolist()] == wanted
    assert len(renamed) == len(set(wanted))
    urls = {s: s + "!" for s in expected[1:] if isinstance(s, str) and data.draw(st.booleans())}
    found = table.found(urls)
    assert sorted(found) == [(n, s) for n, s in enumerate(expected) if isinstance(s, str) and s in urls]
    replaced, numbers = table.replaced({n: urls[url] for n, url in found})
    assert [replaced[n] for n in numbers.tolist()] == [urls.get(s, s) for s in expected]
    assert [*table.with_blob(b"one more")] == [*expected, b"one more"]


@given(tables(), st.lists(URLS | st.sampled_from(["s3://b/", "s3://b/x/", "s3://b/é/", "s"]), max_size=4))
def test_urls_are_found_by_columns(pair, asked):
    """Whether a URL is in a packed table, where, and how often: as for the tuple of its URLs."""
    table, expected = pair
    urls = tuple(source for source in expected if isinstance(source, str))
    for url in [*asked, *urls]:
        assert (url in table.urls) == (url in table) == (url in urls)
        assert table.urls.count(url) == urls.count(url)
        if url in urls:
            assert table.urls.index(url) == urls.index(url)
        else:
            with pytest.raises(ValueError, match="not"):
                table.urls.index(url)
    assert None in table
    assert b"held" not in table
    assert sorted(table.found([*asked, *urls])) == [(n, s) for n, s in enumerate(expected) if isinstance(s, str)]


@given(SOURCES, st.data())
def test_parts_share_the_text_of_the_whole(sources, data):
    """Some of many sources, by a mask or a slice, are equal to those packed by themselves, however much text is unused;
    so are they after they were pickled.
    """
    unused = ["s3://b/x/" + "long" * data.draw(st.sampled_from([0, 500]))] * data.draw(st.integers(0, 2))
    every = PackedSources.of([*unused, *sources, *unused])
    first = data.draw(st.integers(0, len(every)))
    mask = np.array([data.draw(st.booleans()) for _ in every], bool)
    for rows in (slice(first, data.draw(st.integers(first, len(every)))), mask, np.flatnonzero(mask)):
        part = every.kept(rows)
        expected = [source for source, use in zip(every, _mask(rows, len(every)), strict=True) if use]
        assert list(part) == expected
        pieces = [s if isinstance(s, bytes) else s.encode("utf-8", "surrogatepass") for s in expected]
        pieces = [p if isinstance(s, bytes) else p[len(part.prefix) :] for s, p in zip(expected, pieces, strict=True)]
        stops = np.cumsum([len(piece) for piece in pieces], dtype=int)
        inline = np.array([isinstance(source, bytes) for source in expected], bool)
        alone = PackedSources(part.prefix, b"".join(pieces), stops, inline)
        assert part == alone == part == pickle.loads(pickle.dumps(part))
        assert part.inline_nbytes == alone.inline_nbytes
        assert list(pickle.loads(pickle.dumps(part))) == expected
        assert len(part.data) <= 4 * len(alone.data) + 1024
        if expected:
            assert part != alone.kept(slice(1, None))
            changed = bytes(byte ^ 1 for byte in alone.data)
            assert not alone.data or part != PackedSources(part.prefix, changed, stops, inline)


def _mask(rows, count):
    mask = np.zeros(count, bool)
    mask[rows] = True
    return mask.tolist()


FOLDERS = st.sampled_from(["/", "a/", "s3://", "s3://b/", "s3://b/x/", "s3://b/x/a/", "s3://b/é/", "s3://c/"])


@given(tables(), st.dictionaries(FOLDERS | URLS, st.sampled_from(["", "/new/", "é/", "s3://b/x/", "one"]), max_size=4))
def test_a_mapping_renames_urls_and_folders(pair, names):
    """Each URL gets the name that is meant for it alone, else that of the longest folder it is in, once."""
    table, expected = pair

    def rename(url):
        folders = [old for old in names if old.endswith("/") and url.startswith(old)]
        old = url if url in names else max(folders, key=len, default=None)
        return url if old is None else names[old] + url[len(old) :]

    moved, numbers = renamed(table, names)
    assert [moved[n] for n in numbers.tolist()] == [rename(s) if isinstance(s, str) else s for s in expected]
    assert moved[0] is None
    assert pickle.loads(pickle.dumps(moved)) == moved == Sources(tuple(moved))


def calls_of(work):
    """How many functions are called, in Python or in C, while something is done."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


BY_COLUMNS = {
    "is_inline": lambda chunks: chunks.is_inline,
    "nbytes": lambda chunks: (chunks.nbytes, chunks.sources.nbytes),
    "repr": repr,
    "urls": lambda chunks: (len(chunks.urls), chunks.urls[7]),
    "in": lambda chunks: (chunks.urls[7] in chunks.urls, "s3://b/x/no" in chunks.urls),
    "index": lambda chunks: chunks.urls.index(chunks.urls[-1]),
    "count": lambda chunks: chunks.urls.count(chunks.urls[-1]),
    "cell": lambda chunks: chunks[7, 8],
    "coords": lambda chunks: chunks.coords(),
    "select": lambda chunks: chunks.select((20, 0), (80, 100)),
    "select few": lambda chunks: chunks.select((0, 40), (100, 42)),
    "between": lambda chunks: chunks.between(50, 7000).compact(),
    "take": lambda chunks: chunks.take(np.arange(0, len(chunks), 2)).compact(),
    "take by mask": lambda chunks: chunks.take(np.arange(len(chunks)) % 2 == 0),
    "reshape": lambda chunks: chunks.reshape_grid((10_000,)),
    "moved": lambda chunks: moved(chunks, {chunks.urls[7]: ("s3://b/archive", 5, 100)}),
    "map_urls": lambda chunks: chunks.map_urls({"s3://b/": "/data/", chunks.urls[7]: "/one"}),
    "map_urls of a part": lambda chunks: chunks.map_urls({"s3://b/x/1": "/one", "s3://b/x/77/": "/data/"}),
    "with_inline_rows": lambda chunks: chunks.with_inline_rows(np.arange(9), bytes(9), np.ones(9, int)),
    "==": lambda chunks: chunks == pickle.loads(pickle.dumps(chunks)),
    "pickle": pickle.dumps,
    "place": lambda chunks: place((200, 100), [Placement(chunks, (0, 0)), Placement(chunks, (100, 0))]),
}


@pytest.fixture
def unwalked(monkeypatch):
    """A manifest with a URL for each of 10,000 chunks; who walks over the URLs fails."""

    def walked(*_):
        raise AssertionError("each URL became a Python string")

    urls = [f"s3://b/x/{n // 100}/{n % 100}" for n in range(10_000)]
    chunks = packed_manifest(urls).reshape_grid((100, 100))
    for way in ("urls", "_pieces", "__iter__"):
        monkeypatch.setattr(PackedSources, way, walked)
    return chunks


@pytest.mark.parametrize("name", BY_COLUMNS)
def test_no_call_walks_over_the_urls(name, unwalked):
    """Whatever is asked of a manifest with a URL a chunk, no function is called and no string made for each."""
    assert calls_of(lambda: BY_COLUMNS[name](unwalked)) < 2_000


@pytest.mark.parametrize("walk", [lambda chunks: chunks.map_urls(str.upper), lambda chunks: list(chunks.urls)])
def test_what_walks_over_the_urls(walk, unwalked):
    """A function that renames is called for each URL, and a list of URLs is one of strings: the two that must."""
    with pytest.raises(AssertionError, match="each URL became"):
        walk(unwalked)


@given(st.lists(tables(), max_size=4))
def test_tables_are_interned_into_one(pairs):
    """Each number of each table means in the common one what it meant in its own."""
    common = SourceTable()
    numbers = [common.numbers(table) for table, _ in pairs]
    sources = common.sources
    for own, (_, expected) in zip(numbers, pairs, strict=True):
        assert [sources[n] for n in own.tolist()] == list(expected)


def test_many_sources_are_packed():
    """A long table is packed by itself: what all URLs begin with is there once, and an interned one is no longer."""
    urls = [f"s3://bucket/store.zarr/x/{n}" for n in range(MANY)]
    table = SourceTable()
    assert table.numbers([None, *urls]).tolist() == list(range(MANY + 1))
    for sources in (Sources.of((None, *urls)), table.sources):
        assert sources.few is None
        assert sources.nbytes < 9 * MANY
        assert sources == (None, *urls)
    assert Sources.of((None, *urls[2:])).few is not None


def test_manifests_with_packed_tables_are_joined_and_compared():
    """Packed tables of one store are joined once, and equality does not depend on how a table is held or ordered."""
    urls = [f"s3://b/x/{n}" for n in range(5)]
    packed = packed_manifest(urls)
    plain = ChunkManifest.from_rows((5,), [[n] for n in range(5)], urls[:], [0] * 5, [5] * 5)
    backwards = ChunkManifest.from_columns(
        (5,), np.arange(5), (None, *urls[::-1]), (np.arange(5, 0, -1), packed.offset, packed.length)
    )
    turned = ChunkManifest((5,), Sources((None,), PackedSources.of(urls[::-1])), *_columns(backwards))
    assert packed == plain == backwards == turned == packed
    assert packed != packed_manifest([*urls[:4], "other"])
    joined = place((15,), [Placement(packed, (0,)), Placement(plain, (5,)), Placement(packed, (10,))])
    assert [row.source for row in joined.rows()] == urls * 3
    assert len(joined.sources) == 11
    again = pickle.loads(pickle.dumps(joined))
    assert again == joined
    assert again.compact().sources == joined.sources


def _columns(manifest):
    return manifest.source, manifest.offset, manifest.length


def test_rows_become_inline_by_columns():
    """Bytes of many rows are given as one blob, over a packed table too; the others stay."""
    packed = packed_manifest([f"s3://b/x/{n}" for n in range(4)])
    held = packed.with_inline_rows(np.array([3, 1]), b"threeone", np.array([5, 3]))
    assert held.is_inline.tolist() == [False, True, False, True]
    assert [held.inline_bytes(1), held.inline_bytes(3)] == [b"one", b"three"]
    assert list(held.urls) == list(packed.urls)
    whole = packed.with_inline_rows(np.array([3, 2, 1, 0]), b"dcba", np.ones(4, int))
    assert [whole.inline_bytes(n) for n in range(4)] == [b"a", b"b", b"c", b"d"]
    assert len(whole.sources) == 2
    assert packed.with_inline_rows(np.array([], int), b"", np.array([])) is packed


def test_ranges_of_a_packed_table_are_moved():
    """One of many URLs becomes a range of another file."""
    packed = packed_manifest([f"s3://b/x/{n}" for n in range(40)])
    outer = moved(packed, {"s3://b/x/30": ("outer", 100, 5), "elsewhere": ("x", 0, 1)})
    assert outer[30] == ("outer", 100, 5)
    assert outer[31] == ("s3://b/x/31", 0, 5)
    assert moved(packed, {"elsewhere": ("x", 0, 1)}) is packed


def test_a_url_for_each_chunk_costs_little_beyond_the_names():
    """A manifest of many chunks, each in a file of its own, holds at most 60 bytes a chunk, its name included."""
    count = 20_000
    names = [f"{n // 100}/{n % 100}" for n in range(count)]
    stops = np.cumsum([len(name) for name in names])
    tracemalloc.start()
    try:
        sources = Sources.packed("s3://bucket/a/long/way/to/an/array/", "".join(names).encode(), stops)
        columns = (np.arange(1, count + 1, dtype=np.uint32), np.zeros(count, np.uint64), np.ones(count, np.uint64))
        chunks = ChunkManifest.from_columns((count,), np.arange(count), sources, columns)
        assert not chunks.is_inline.any()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 60 * count
    assert chunks.row(count - 1).source == f"s3://bucket/a/long/way/to/an/array/{names[-1]}"
