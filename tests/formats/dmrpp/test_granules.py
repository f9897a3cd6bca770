"""Whole granules: trees of groups, and every kind of variable that a document describes, beside h5py."""

import base64
from html import escape
from itertools import groupby

import h5py
import numpy as np
import pytest
from numpy.random import Generator, default_rng

import chunkmap
from chunkmap.access.fetching import Fetcher
from chunkmap.access.values import read_array

TYPES = {
    "i1": "Int8", "u1": "Byte", "i2": "Int16", "u2": "UInt16", "i4": "Int32", "u4": "UInt32", "i8": "Int64",
    "u8": "UInt64", "f4": "Float32", "f8": "Float64",
}  # fmt: skip
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32"}
ORDERS = ["", "d", "sd", "ds", "sdf", "fd", "df", "fsd", "dd", "s", "f", "sf", "dsf"]
MEANINGS = {"A": 0, "B b": 1, "C": 5}
HEAD = (
    '<?xml version="1.0" encoding="{encoding}"?>\n<Dataset xmlns="http://xml.opendap.org/ns/DAP/4.0#"'
    ' xmlns:{prefix}="http://xml.opendap.org/dap/dmrpp/1.0.0#" name="a.h5" {prefix}:href="{href}">{body}</Dataset>'
)
KINDS = ["number"] * 6 + ["enumeration", "text", "texts", "record"]


class Granule:
    """A granule that h5py makes, and its document, as a server writes it from what libhdf5 says."""

    def __init__(self, rng: Generator, path: str, prefix: str) -> None:
        self.rng, self.path, self.prefix = rng, path, prefix
        self.lengths: dict[str, dict[str, int]] = {}
        """The dimensions of each group."""
        self.kinds: dict[str, tuple[str, list[str | None]]] = {}
        """What each variable is, and along which dimensions it lies."""

    def pick(self, *choices):
        """One of several, which may be of different kinds."""
        return choices[int(self.rng.integers(len(choices)))]

    def fill(self, group: h5py.Group, known: dict[str, int], depth: int = 0) -> None:
        """Put variables and groups into a group. Dimensions of those above may be used, whatever they are called."""
        path = group.name.rstrip("/")
        own = {name: self.pick(1, 3, 7, 0) for name in ("x", "y", "a b") if self.pick(True, False)}
        self.lengths[path], known = own, known | {f"{path}/{name}": length for name, length in own.items()}
        for number in range(self.pick(1, 2, 3)):
            dims = [self.pick(None, *known) for _ in range(self.pick(0, 1, 2, 3))]
            name, kind = f"{self.pick('v', 'x', 'ü', 'a<&')}{number}", self.pick(*KINDS)
            self.kinds[f"{path}/{name}".strip("/")] = kind, dims
            shape = tuple(self.pick(1, 5, 8) if dim is None else known[dim] for dim in dims)
            getattr(self, f"make_{kind}")(group, name, shape)
        for name in ("g", "x")[: self.pick(0, 1, 2) if depth < 3 else 0]:
            self.fill(group.create_group(name), known, depth + 1)

    def make_number(self, group, name, shape):
        """Numbers of any type, of which a part may never be written."""
        dtype = np.dtype(self.pick("<", ">") + self.pick(*TYPES))
        fill = self.pick(None, 0, 7, np.nan if dtype.kind == "f" else np.iinfo(dtype).max)
        made = self.dataset(group, name, shape, h5py.h5t.py_create(dtype), fill=fill)
        if all(shape):
            part = tuple(slice(0, self.pick(1, n, n)) for n in shape)
            made[part] = np.frombuffer(self.rng.bytes(made[part].nbytes), dtype).reshape(made[part].shape)

    def make_enumeration(self, group, name, shape):
        """Numbers that have names."""
        dtype = h5py.enum_dtype(MEANINGS, self.pick("<", ">") + self.pick("i1", "i4", "u2"))
        made = self.dataset(group, name, shape, h5py.h5t.py_create(dtype, logical=True))
        if all(shape):
            made[...] = self.rng.choice([0, 1, 5], shape)

    def make_text(self, group, name, shape):
        """Texts of one length."""
        made = self.dataset(group, name, shape, h5py.h5t.py_create(np.dtype("S4")))
        if all(shape):
            made[...] = self.rng.choice([b"", b"a", b"abcd"], shape)

    def make_texts(self, group, name, shape):
        """Texts of any length."""
        made = group.create_dataset(name, shape, h5py.string_dtype())
        if all(shape):
            made[...] = self.rng.choice(["", "abc", " é;", "<&>"], shape).astype(object)

    def make_record(self, group, name, shape):
        """Records, with gaps or without."""
        order = self.pick("<", ">")
        fields = [("a", f"{order}i4"), ("b", f"{order}f8"), ("c", f"{order}i2", (2,))]
        dtype = np.dtype(fields, align=self.pick(True, False))
        made = self.dataset(group, name, shape, h5py.h5t.py_create(dtype), filters="")
        if all(shape):
            values = np.zeros(shape, dtype)
            for field in "abc":
                values[field] = self.rng.integers(-99, 99, values[field].shape)
            made[...] = values

    def dataset(self, group, name, shape, kind, *, fill=None, filters=None):
        """A dataset in chunks, with filters in any order, or in one piece, or in its header."""
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if shape and all(shape) and self.pick(True, False):
            how.set_chunk(tuple(self.pick(1, max(n // 2, 1), n) for n in shape))
            known = {"d": lambda: how.set_deflate(4), "s": how.set_shuffle, "f": how.set_fletcher32}
            for letter in self.pick(*ORDERS) if filters is None else filters:
                known[letter]()
        elif all(shape) and kind.dtype.str[0] != ">" and filters is None and self.pick(True, False, False):
            how.set_layout(h5py.h5d.COMPACT)
        if fill is not None:
            how.set_fill_value(np.array(fill, kind.dtype))
        space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
        return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, space, how))

    def described(self, group: h5py.Group) -> str:
        """What a group contains, as XML; what is declared stands before what uses it."""
        path = group.name.rstrip("/")
        parts = [f'<Dimension name="{name}" size="{length}"/>' for name, length in self.lengths[path].items()]
        for name, made in group.items():
            if isinstance(made, h5py.Group):
                parts.append(f'<Group name="{name}">{self.described(made)}</Group>')
            else:
                kind, dims = self.kinds[made.name[1:]]
                axes = zip(dims, made.shape, strict=True)
                said = "".join(f'<Dim size="{n}"/>' if dim is None else f'<Dim name="{dim}"/>' for dim, n in axes)
                parts.append(getattr(self, f"{kind}_said")(made, escape(name), said))
        return "\n".join(sorted(parts, key=lambda part: part.startswith("<Group")))

    def number_said(self, made, name, dims):
        """The element of numbers."""
        tag = TYPES[made.dtype.str[1:]]
        return f'<{tag} name="{name}">{dims}{self.data(made)}</{tag}>'

    def enumeration_said(self, made, name, dims):
        """The type, and the element that has it."""
        consts = "".join(f'<EnumConst name="{key}" value="{value}"/>' for key, value in MEANINGS.items())
        kind = f'<Enumeration basetype="{TYPES[made.dtype.str[1:]]}" name="{name} kind">{consts}</Enumeration>'
        full = f"{escape(made.parent.name.rstrip('/'))}/{name} kind"
        return f'{kind}<Enum name="{name}" enum="{full}">{dims}{self.data(made)}</Enum>'

    def text_said(self, made, name, dims):
        """The element of texts of one length."""
        fixed = f'<{self.prefix}:FixedLengthStringArray string_length="4" pad="null_pad"/>'
        return f'<String name="{name}">{dims}{fixed}{self.data(made)}</String>'

    def texts_said(self, made, name, dims):
        """The element of texts of any length, those that follow one another and are alike said once."""
        runs = [(text, len(list(same))) for text, same in groupby(np.ravel(made.asstr()[...]).tolist())]
        held = "".join(f'<v c="{count}">{escape(text)}</v>' for text, count in runs)
        return f'<String name="{name}">{dims}<{self.prefix}:vlsa>{held}</{self.prefix}:vlsa></String>'

    def record_said(self, made, name, dims):
        """The element of records."""
        members = '<Int32 name="a"/><Float64 name="b"/><Int16 name="c"><Dim size="2"/></Int16>'
        dtype = made.dtype
        ends = f"{dtype.fields['b'][1]} {dtype.fields['c'][1]} {dtype.itemsize}"
        return (
            f'<Structure name="{name}">{dims}{members}{self.data(made, ends=ends, order=dtype["a"].str[0])}</Structure>'
        )

    def data(self, made, ends=None, order=None):
        """The values of a dataset, or where they are."""
        plist, prefix = made.id.get_create_plist(), self.prefix
        if plist.get_layout() == h5py.h5d.COMPACT:
            return f"<{prefix}:compact>{base64.b64encode(made[...].tobytes()).decode()}</{prefix}:compact>"
        filters = " ".join(FILTERS[plist.get_filter(n)[0]] for n in range(plist.get_nfilters()))
        more = f' compressionType="{filters}"' if filters else ""
        more += f' structOffset="{ends}"' if ends else ""
        more += ' byteOrder="BE"' if (order or made.dtype.str[0]) == ">" else ' byteOrder="LE"'
        more += f' fillValue="{made.fillvalue}"' if made.dtype.kind in "iuf" else ""
        return f"<{prefix}:chunks{more}>{self.places(made)}</{prefix}:chunks>"

    def places(self, made):
        """The pieces or the chunks of a dataset; chunks that were never written are not listed."""
        if made.chunks is None:
            first, length = made.id.get_offset(), made.id.get_storage_size()
            if first is None or not length:
                return ""
            if made.ndim and made.shape[0] > 2 and self.pick(True, False):
                rows = 2 * (length // made.shape[0])
                parts = [(first, rows), (first + rows, length - rows)]
                return "".join(f'<{self.prefix}:block offset="{at}" nBytes="{size}"/>' for at, size in parts)
            return f'<{self.prefix}:chunk offset="{first}" nBytes="{length}"/>'
        listed = (
            f"<{self.prefix}:chunkDimensionSizes>{' '.join(map(str, made.chunks))}</{self.prefix}:chunkDimensionSizes>"
        )
        for info in map(made.id.get_chunk_info, range(made.id.get_num_chunks())):
            place, there = ",".join(map(str, info.chunk_offset)), self.pick("", "", f' href="{self.path}"')
            where = f'offset="{info.byte_offset}" nBytes="{info.size}" chunkPositionInArray="[{place}]"{there}'
            listed += f"<{self.prefix}:chunk {where}/>"
        return listed


def leaves(values):
    """The numbers of an array, field by field and place by place, without what pads records."""
    if values.dtype.names is None:
        return np.asarray(values.tolist()).reshape(values.shape).tolist()
    return [leaves(values[name]) for name in values.dtype.names if not name.startswith("_padding")]


@pytest.mark.parametrize("seed", range(60))
def test_any_granule_reads_as_h5py_reads_it(tmp_path, seed):
    """Filters in every order, values in the document, blocks, missing chunks, fill values, either byte order,
    enumerations, texts, records, empty axes, and dimensions of one name in nested groups; no variable is lost.
    """
    path, rng = tmp_path / "a.h5", default_rng(seed)
    granule = Granule(rng, str(path), prefix := str(rng.choice(["dmrpp", "d"])))
    with h5py.File(path, "w", libver=granule.pick("earliest", "latest")) as file:
        granule.fill(file, {})
    encoding, href = granule.pick("UTF-8", "ISO-8859-1"), granule.pick("OPeNDAP_DMRpp_DATA_ACCESS_URL", "/x/a.h5", "")
    with h5py.File(path) as file:
        text = HEAD.format(encoding=encoding, prefix=prefix, href=href, body=granule.described(file))
        path.with_name("a.h5.dmrpp").write_bytes(text.encode(encoding, "xmlcharrefreplace"))
        refs = chunkmap.scan(path.with_name("a.h5.dmrpp"))
        assert not refs.problems
        assert refs.arrays.keys() == granule.kinds.keys()
        for name, (kind, dims) in granule.kinds.items():
            array, expected = refs.arrays[name], file[name]
            found = read_array(array, Fetcher())
            assert [b for a, b in zip(dims, array.meta.dims, strict=True) if a] == [
                a.rpartition("/")[2] for a in dims if a
            ]
            if kind == "texts":
                assert found.tolist() == expected.asstr()[...].tolist()
            elif kind == "record":
                wanted = [expected["a"], expected["b"], expected["c"][..., 0], expected["c"][..., 1]]
                assert leaves(found) == [leaves(np.asarray(part)) for part in wanted]
            else:
                assert (found.dtype, found.shape) == (np.dtype(expected.dtype.str), expected.shape)
                assert found.tobytes() == np.ascontiguousarray(expected[...]).tobytes()
