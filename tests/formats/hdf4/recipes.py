"""HDF4 files byte by byte: what the library can write and pyhdf does not offer."""

import struct

import numpy as np

VG, VH, VS, NT, SDD, SD, NDG = 1965, 1962, 1963, 106, 701, 702, 720
CHUNK, COMPRESSED, LINKED, SPECIAL = 61, 40, 20, 0x4000
TYPES = {"u1": 21, "i1": 20, "i2": 22, "u2": 23, "i4": 24, "u4": 25, "i8": 26, "u8": 27, "f4": 5, "f8": 6, "S1": 4}


class Recipe:
    """Objects by tag and reference number, and the file that holds them."""

    def __init__(self, block=16):
        self.objects, self.block, self._ref, self._axes = [], block, 1, []

    def ref(self):
        """A reference number that was not used."""
        self._ref += 1
        return self._ref

    def add(self, tag, data, ref=None):
        """An object; gives its tag and reference number."""
        ref = self.ref() if ref is None else ref
        self.objects.append((tag, ref, data))
        return tag & ~SPECIAL if tag < 0x8000 else tag, ref

    def nt(self, dtype, kind=1):
        """A number type."""
        dtype = np.dtype(dtype)
        return self.add(NT, bytes([1, TYPES[dtype.str[1:]], 8 * dtype.itemsize, kind]))

    def vgroup(self, name, kind, members):
        """A Vgroup."""
        data = struct.pack(f">H{len(members)}H", len(members), *(tag for tag, _ in members))
        data += struct.pack(f">{len(members)}H", *(ref for _, ref in members)) + _text(name) + _text(kind)
        return self.add(VG, data + struct.pack(">HHHHB", 0, 0, 3, 0, 0))

    def vdata(self, name, kind, fields, records, data, *, interlace=0, special=None, attributes=()):
        """A Vdata: `fields` are (name, number type, bytes, order)."""
        ref = self.ref()
        offsets = np.cumsum([0] + [f[2] for f in fields])
        header = struct.pack(">HiHH", interlace, records, offsets[-1], len(fields))
        for column in ([f[1] for f in fields], [f[2] for f in fields], offsets[:-1], [f[3] for f in fields]):
            header += struct.pack(f">{len(fields)}H", *column)
        header += b"".join(_text(f[0]) for f in fields) + _text(name) + _text(kind)
        header += struct.pack(">HHHH", 0, 0, 4 if attributes else 3, 0)
        if attributes:
            header += struct.pack(">Ii", 1, len(attributes))
            header += b"".join(struct.pack(">iHH", field, VH, number) for field, number in attributes)
            header += struct.pack(">HH", 4, 0)
        header += b"\0"
        self.add(VH, header, ref)
        if data is not None:
            self.add(VS, data, ref)
        elif special is not None:
            self.add(VS | SPECIAL, special, ref)
        return VH, ref

    def attribute(self, name, text):
        """An attribute of text."""
        return self.vdata(name, "Attr0.0", [("VALUES", 4, len(text), len(text))], 1, text.encode())

    def dimension(self, name, size, *, unlimited=False):
        """An axis of an SDS."""
        value = self.vdata("", "DimVal0.1", [("Values", 24, 4, 1)], 1, struct.pack(">i", size))
        axis = self.vgroup(name, "UDim0.0" if unlimited else "Dim0.0", [value])
        self._axes.append(axis)
        return axis

    def sds(self, name, shape, dtype, data, *, dims=None, attributes=(), kind=1, unlimited=False):
        """An SDS whose values are the object `data`; None where none were written."""
        axes = [
            self.dimension(dim, n, unlimited=unlimited and not axis)
            for axis, (dim, n) in enumerate(zip(dims or [f"{name}_{a}" for a in range(len(shape))], shape, strict=True))
        ]
        number_type = self.nt(dtype, kind)
        given = (0, *shape[1:]) if unlimited else shape
        record = struct.pack(f">H{len(shape)}i", len(shape), *given) + struct.pack(">HH", *number_type)
        record += struct.pack(">HH", *number_type) * len(shape)
        described = self.add(SDD, record)
        members = [number_type, described, *([data] if data else [])]
        ndg = self.add(NDG, b"".join(struct.pack(">HH", *key) for key in members))
        return self.vgroup(name, "Var0.0", [*axes, *attributes, *members, ndg]), ndg

    def root(self, members):
        """The Vgroup that SD looks for."""
        return self.vgroup("file", "CDF0.0", [*self._axes, *members])

    def linked(self, tag, blocks, length, *, block_length=None, missing=()):
        """An element in linked blocks."""
        refs = [0 if number in missing else self.add(LINKED, block)[1] for number, block in enumerate(blocks)]
        table = self.add(LINKED, struct.pack(f">H{len(refs)}H", 0, *refs))
        size = len(blocks[0]) if block_length is None else block_length
        return self.add(tag | SPECIAL, struct.pack(">HiiiH", 1, length, size, len(refs), table[1]))

    def compressed(self, tag, data, length, coder=(4, ">H", 6)):
        """An element that is compressed."""
        stream = self.add(COMPRESSED, data)
        return self.add(tag | SPECIAL, struct.pack(">HHiH", 3, 0, length, stream[1]) + _coder(coder))

    def chunked(self, shape, chunk, itemsize, chunks, *, fill=b"", coder=None):
        """An element in chunks: their bytes by their place in the grid, each compressed already."""
        table = b"".join(
            struct.pack(f">{len(place)}i", *place) + struct.pack(">HH", *self._chunk(data, itemsize, chunk, coder))
            for place, data in chunks.items()
        )
        fields = [("origin", 24, 4 * len(shape), len(shape)), ("chk_tag", 23, 2, 1), ("chk_ref", 23, 2, 1)]
        _, ref = self.vdata("chunks", "_HDF_CHK_TBL_0", fields, len(chunks), table)
        size = int(np.prod(chunk)) * itemsize
        body = struct.pack(
            ">BiiiiHHHHi",
            0,
            3 if coder else 0,
            int(np.prod(shape)) * itemsize,
            size,
            itemsize,
            VH,
            ref,
            1,
            0,
            len(shape),
        )
        body += b"".join(struct.pack(">iii", 1, n, c) for n, c in zip(shape, chunk, strict=True))
        body += struct.pack(">i", len(fill)) + fill
        head = struct.pack(">Hi", 5, len(body))  # what follows of the coder is not counted
        packed = _coder(coder) if coder else b""
        described = struct.pack(">Hi", 3, len(packed)) + packed if coder else b""
        return self.add(SD | SPECIAL, head + body + described)

    def _chunk(self, data, itemsize, chunk, coder):
        if coder is None:
            return self.add(CHUNK, data)
        return self.compressed(CHUNK, data, int(np.prod(chunk)) * itemsize, coder)

    def bytes(self):
        """The file: blocks of descriptors at its beginning, chained, then the objects."""
        count = max(-(-len(self.objects) // self.block), 1)
        size = 6 + 12 * self.block
        place, out = 4 + count * size, [b"\x0e\x03\x13\x01"]
        rows = []
        for tag, ref, data in self.objects:
            rows.append(struct.pack(">HHii", tag, ref, place if data is not None else -1, len(data or b"") or -1))
            place += len(data or b"")
        rows += [struct.pack(">HHii", 1, 0, -1, -1)] * (count * self.block - len(rows))
        for number in range(count):
            after = 4 + (number + 1) * size if number + 1 < count else 0
            out += [struct.pack(">Hi", self.block, after), *rows[number * self.block : (number + 1) * self.block]]
        return b"".join([*out, *(data or b"" for _, _, data in self.objects)])


def _text(text):
    return struct.pack(">H", len(text)) + text.encode()


def _coder(coder):
    number, layout, *parameters = coder
    return struct.pack(">HH", 0, number) + struct.pack(layout, *parameters)
