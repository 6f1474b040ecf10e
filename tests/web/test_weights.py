"""Graphs with weights of 16 bits."""

import gzip

import numpy as np
import onnxruntime

from lesionlab.bundle import Bundle
from lesionlab.web.weights import pack_graph, unpack_graph


def test_only_weights_are_rounded(tiny_graph: bytes) -> None:
    packed = pack_graph(tiny_graph)
    assert packed.tensors
    assert gzip.decompress(packed.data) == packed.content
    restored = unpack_graph(packed)
    assert len(restored) == len(tiny_graph) == packed.size
    position = 0
    for offset, count in packed.tensors:
        assert restored[position:offset] == tiny_graph[position:offset]
        exact = np.frombuffer(tiny_graph, "<f4", count, offset)
        np.testing.assert_array_equal(np.frombuffer(restored, "<f4", count, offset), exact.astype(np.float16))
        position = offset + 4 * count
    assert restored[position:] == tiny_graph[position:]


def test_packing_is_reproducible_and_bytes_that_are_no_graph_are_kept() -> None:
    assert pack_graph(b"").content == unpack_graph(pack_graph(b"")) == b""


def test_outputs_of_the_shipped_model_are_nearly_the_same() -> None:
    graph = Bundle.load().graph
    packed = pack_graph(graph)
    assert len(packed.data) < 0.54 * len(graph)
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    names = ["logits", "crop"]
    exact, rounded = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(names, {"image": images})
        for model in (graph, unpack_graph(packed))
    )
    np.testing.assert_allclose(rounded[0], exact[0], atol=0.01)
    np.testing.assert_array_equal(rounded[1], exact[1])
