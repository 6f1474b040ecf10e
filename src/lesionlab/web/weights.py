"""Packs a graph for the browser's download: most weights as 16-bit floats, compressed; the browser restores 32 bits."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

# Numbers of fields and types in ONNX's protocol buffers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_GRAPH, _INITIALIZER, _TYPE, _NAME, _RAW_DATA, _FLOAT = 7, 5, 2, 8, 9, 1
_VARINT, _FIXED_64, _BYTES = 0, 1, 2
_MIN_VALUES: Final = 256  # smaller tensors, such as scales of a normalization, keep 32 bits
# They locate the crop around the lesion: rounded, some images would get another crop.
_EXACT: Final = (b"segment/", b"shrink/")
_LARGEST: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class PackedGraph:
    """A packed graph.

    Attributes:
        data: The bytes around the weights, then the high bytes of all weights, then the low ones, compressed by gzip.
        content: The same, not compressed.
        size: Size of the graph in bytes.
        tensors: Offset in bytes and number of values of each rounded tensor of the graph, in order.
    """

    data: bytes
    content: bytes
    size: int
    tensors: tuple[tuple[int, int], ...]


def pack_graph(graph: bytes) -> PackedGraph:
    """Pack an ONNX file. The bytes of high and low halves are apart, since only the former compress well."""
    tensors = tuple(sorted(_float_tensors(graph)))
    rest, weights, position = bytearray(), [], 0
    for offset, count in tensors:
        rest += graph[position:offset]
        weights.append(np.frombuffer(graph, "<f4", count, offset).astype("<f2"))
        position = offset + 4 * count
    rest += graph[position:]
    planes = np.concatenate([np.zeros(0, "<f2"), *weights]).view(np.uint8).reshape(-1, 2)
    content = bytes(rest) + planes[:, 1].tobytes() + planes[:, 0].tobytes()
    return PackedGraph(gzip.compress(content, mtime=0), content, len(graph), tensors)


def unpack_graph(packed: PackedGraph) -> bytes:
    """Return the graph with rounded weights, as the browser restores it (`page/local/weights.js`)."""
    count = sum(values for _, values in packed.tensors)
    rest = len(packed.content) - 2 * count
    planes = np.frombuffer(packed.content, np.uint8, 2 * count, rest).reshape(2, -1)
    weights = planes[::-1].T.copy().view("<f2").ravel().astype("<f4")
    graph, position, done = bytearray(), 0, 0
    for offset, values in packed.tensors:
        gap = offset - len(graph)
        graph += packed.content[position : position + gap]
        graph += weights[done : done + values].tobytes()
        position, done = position + gap, done + values
    return bytes(graph + packed.content[position:rest])


def _float_tensors(graph: bytes) -> Iterator[tuple[int, int]]:
    for number, start, end in _fields(graph, 0, len(graph)):
        if number != _GRAPH:
            continue
        for inner, tensor, tensor_end in _fields(graph, start, end):
            if inner != _INITIALIZER:
                continue
            found = {field: (first, last) for field, first, last in _fields(graph, tensor, tensor_end)}
            # For a number, `_fields` returns the value in place of the start.
            if _RAW_DATA not in found or found.get(_TYPE, (0, 0))[0] != _FLOAT:
                continue
            if graph[slice(*found.get(_NAME, (0, 0)))].startswith(_EXACT):
                continue
            first, last = found[_RAW_DATA]
            values = np.frombuffer(graph, "<f4", (last - first) // 4, first)
            if len(values) >= _MIN_VALUES and np.abs(values).max() < _LARGEST:
                yield first, len(values)


def _fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field; for a number, its value in place of the start."""
    while position < end:
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value, position
        elif kind == _BYTES:
            size, position = _varint(data, position)
            yield number, position, position + size
            position += size
        else:
            position += 8 if kind == _FIXED_64 else 4


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
