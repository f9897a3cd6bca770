"""Files that files name: where they are looked for, who reads them, and what may not be named."""

import tarfile
import zipfile

import fsspec
import numpy as np
import pytest

from chunkmap.errors import FormatError, SourceError, Unsupported
from chunkmap.io import BytesSource, files_beside, open_source
from chunkmap.io.rounds import Other, Reading, Span, Tally, Together, run, run_many


def whole(source):
    """A parser that gives all bytes of a file."""
    size = source.size()
    return bytes((yield Span(0, size, size)))


def ask(*names, parser=whole):
    """A parser that gives what it is answered for each name; a text where it is refused."""

    def one(name):
        try:
            return (yield Other(name, parser))
        except (SourceError, Unsupported, FormatError) as error:
            return str(error)

    return (yield Together([one(name) for name in names]))


@pytest.fixture
def tree(tmp_path):
    """A directory with a file, one beside it, one below, and one outside."""
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    for name in ("a", "b", "below/c"):
        (data / name).write_bytes(name.encode())
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "data-2").mkdir()
    (tmp_path / "data-2" / "x").write_bytes(b"x")
    return data


@pytest.fixture(params=["local", "http", "memory", "zip", "tar", "tar in zip"])
def first(request, tree, tmp_path):
    """The file `a` of the tree, wherever it lies; and the URL of its directory with a slash."""
    names = ["data/a", "data/b", "data/below/c", "data-2/x", "secret"]
    if request.param == "local":
        return str(tree / "a")
    if request.param == "http":
        server = request.getfixturevalue("range_server")
        urls = [server.put(name, (tmp_path / name).read_bytes()) for name in names]
        return urls[0]
    if request.param == "memory":
        fs = fsspec.filesystem("memory")
        for name in names:
            fs.pipe(f"/others/{name}", (tmp_path / name).read_bytes())
        return "memory://others/data/a"
    inner = tmp_path / ("o.zip" if request.param == "zip" else "o.tar")
    if request.param == "zip":
        with zipfile.ZipFile(inner, "w") as archive:
            for name in names:
                archive.write(tmp_path / name, name)
        return f"zip://data/a::{inner}"
    with tarfile.open(inner, "w") as archive:
        for name in names:
            archive.add(tmp_path / name, name)
    if request.param == "tar":
        return f"tar://data/a::{inner}"
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.write(inner, "o.tar")
    return f"tar://data/a::zip://o.tar::{tmp_path / 'outer.zip'}"


def test_files_beside_are_read_wherever_the_first_one_lies(first):
    """A file beside and one below give their bytes, their URL and their size; one that is not there is None."""
    with open_source(first) as source:
        b, c, none = run(source, ask("b", "below/c", "nowhere"))
    link, _, rest = first.partition("::")
    outer = f"::{rest}" if rest else ""
    assert (b.result, c.result, none) == (b"b", b"below/c", None)
    assert b.url == f"{link[:-1]}b{outer}"
    assert c.url == f"{link[:-1]}below/c{outer}"
    assert (b.target.size, c.target.size) == (1, 7)
    with open_source(c.url) as again:
        assert bytes(again.read(0, 7)) == b"below/c"


@pytest.mark.parametrize("name", ["../secret", "below/../../secret", "../data-2/x", "../data/../secret"])
def test_names_that_lead_out_are_refused(first, name):
    """Whatever the file lies in, it names nothing outside its own directory."""
    with open_source(first) as source:
        (said,) = run(source, ask(name))
    assert "not below the directory" in said


@pytest.mark.parametrize("name", ["https://127.0.0.1:1/x", "file:///etc/passwd", "s3://b/x", "x::y", "a\0b", ""])
def test_names_of_other_protocols_and_no_names_are_refused(first, name):
    """Nothing of the network or of this machine is asked for."""
    with open_source(first) as source:
        (said,) = run(source, ask(name))
    assert isinstance(said, str)


def test_what_is_allowed_is_read(tree, range_server):
    """`allow` names directories, on this machine and on servers; the refusal says what to pass."""
    url = range_server.put("far/x", b"far")
    secret = str(tree.parent / "secret")
    with open_source(tree / "a") as source:
        (said,) = run(source, ask("../secret"))
        assert f"pass allow=['{tree.parent}/']" in said
        with files_beside(source, allow=[f"{tree.parent}/", url]) as others:
            found = run(source, ask("../secret", secret, url, f"{url}-2"), others=others)
    assert [f.result for f in found[:3]] == [b"secret", b"secret", b"far"]
    assert "not below" in found[3]
    with pytest.raises(TypeError, match="expected a list"):
        files_beside(source, allow="/data")


def test_absolute_names(tree):
    """One in the tree is read, one that leads nowhere is looked for beside, and one outside is refused."""
    with open_source(tree / "a") as source:
        inside, lost, outside = run(source, ask(str(tree / "b"), "/no/such/directory/b", str(tree.parent / "secret")))
    assert inside.result == lost.result == b"b"
    assert inside.url == lost.url == str(tree / "b")
    assert "not below" in outside


def test_links_in_the_tree_are_followed(tree):
    """Who owns the directory made them; climbing through one is judged by where it leads."""
    (tree / "link").symlink_to(tree.parent / "secret")
    (tree / "folder").symlink_to(tree.parent / "data-2")
    with open_source(tree / "a") as source:
        link, x, up = run(source, ask("link", "folder/x", "folder/../secret"))
    assert (link.result, x.result) == (b"secret", b"x")
    assert "not below" in up


def test_a_file_below_may_name_files_of_the_tree(tree):
    """The tree is that of the first file: what one below names may be above it."""

    def through(source):
        return (yield from ask("../b", "../../secret"))

    with open_source(tree / "a") as source:
        (found,) = run(source, ask("below/c", parser=through))
    b, said = found.result
    assert (b.result, b.url) == (b"b", str(tree / "b"))
    assert "not below" in said


def test_bytes_have_nothing_beside_them():
    """Bytes in memory have no place, and it is said so."""
    (said,) = run(BytesSource(b"x", "x"), ask("y"))
    assert "cannot be looked for beside" in said


def test_errors_of_another_file_are_raised_where_it_was_asked_for(tree):
    """Who asks may go on; who does not catch it fails alone, with the other file's error."""

    def broken(source):
        yield Span(0, 1, 1)
        yield Other("b")
        raise FormatError("it is broken", url=source.url)

    with open_source(tree / "a") as source:
        (said,) = run(source, ask("b", parser=broken))
        assert said == f"{tree / 'b'}: it is broken"

        def trusting():
            return (yield Other("b", broken))

        def careless():
            return (yield Together([whole(source), trusting()]))

        failed, fine = run_many([Reading(source, careless()), Reading(source, whole(source))])
    assert isinstance(failed, FormatError)
    assert fine == b"a"


def test_circles_end(tree):
    """Files that name one another without end are refused, by one name or by several."""
    for names in (["a"], ["a", "./a", "b"]):

        def around(source, names=names):
            return (yield from ask(*names, parser=around))

        with open_source(tree / "a") as source:
            found = run(source, ask("b", parser=around))
        texts = []
        while found:
            item = found.pop()
            found += item.result if hasattr(item, "result") else []
            texts += [item] if isinstance(item, str) else []
        assert texts
        assert all("without end" in text for text in texts)


def test_far_files_are_opened_side_by_side_and_read_in_the_same_rounds(range_server):
    """Thirty files of three requests each cost what one costs: a round for their beginnings, one for the rest."""
    data = bytes(10 << 20)
    first = range_server.put("a", b"x")
    for number in range(6):
        range_server.put(f"o{number}", data)

    def ends(source):
        yield Span(0, 4, 4)
        range_server.together = 6
        return len((yield Span(source.size() - 8, 8, 8)))

    tally = Tally()
    range_server.forget()
    with open_source(first) as source:
        found = run(source, ask(*(f"o{n}" for n in range(6)), parser=ends), tally=tally)
    assert [f.result for f in found] == [8] * 6
    assert tally.rounds == 3
    assert range_server.busiest >= 6
    assert len(range_server.heads) <= 7


def test_a_file_without_a_parser_is_not_read(range_server):
    """Whether it is there, and how long it is, costs no byte of it."""
    first = range_server.put("a", b"x")
    range_server.put("b", bytes(100_000))
    with open_source(first) as source:
        range_server.forget()
        (found,) = run(source, ask("b", parser=None))
    assert (found.target.size, found.result) == (100_000, None)
    assert {name for name, *_ in range_server.gets} <= {"/a"}


def test_a_file_is_opened_once_whatever_it_is_called(range_server):
    """Several who ask at once share its bytes."""
    first = range_server.put("a", b"x")
    range_server.put("b", np.arange(1000).tobytes())
    range_server.forget()
    with open_source(first) as source:
        found = run(source, ask("b", "b", "b"))
    assert len({f.result for f in found}) == 1
    assert len([name for name, *_ in range_server.gets if name == "/b"]) <= 1
    assert {f.url for f in found} == {range_server.url("b")}
