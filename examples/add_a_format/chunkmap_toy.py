"""The row of the format `toy`."""

from chunkmap.formats import Format, Magic

ROW = Format(name="toy", module="chunkmap_toy_parser", begins=(Magic(b"TOY1"),))
