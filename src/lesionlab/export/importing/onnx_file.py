"""Reading a plain ONNX classifier of unknown origin."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, inliner, numpy_helper

from lesionlab.errors import DataError, UsageError
from lesionlab.export.graph import remove_metadata
from lesionlab.export.importing.network import ForeignNetwork, InputSettings, Layout, one_line, open_graph

# Older graphs broadcast in another way, so that the steps around the network would be wrong.
_OLDEST_OPSET = 9
_DTYPES = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}


def read_onnx(path: Path, settings: InputSettings, output: str | None = None) -> ForeignNetwork:
    """Read an ONNX file: one image input, and one output with a row for each image.

    Weights in files beside it are read as well. A graph that takes a fixed number of images is changed to take any.

    Args:
        path: The file.
        settings: Settings of the input that the file does not state.
        output: Name of the output, for a graph with several.

    Raises:
        DataError: The file is damaged, or the graph is no classifier of RGB images.
        UsageError: A setting is missing or contradicts the file.
    """
    model = _load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(map(_described, inputs)) or "none"
        raise DataError(f"{path}: a graph with one input is needed, this one has: {names}")
    if len(model.graph.output) != 1 and output is None:
        names = ", ".join(map(_described, model.graph.output))
        raise UsageError(f"{path}: the graph has several outputs: {names}; choose one with --output NAME")
    chosen = [value for value in model.graph.output if output in (None, value.name)]
    if not chosen:
        names = ", ".join(map(_described, model.graph.output))
        raise UsageError(f"--output {output}: the outputs of {path} are: {names}")
    image = inputs[0]
    dtype = _DTYPES.get(image.type.tensor_type.elem_type)
    if dtype is None:
        raise DataError(f"{path}: the input {_described(image)} is neither float nor uint8")
    layout, size = _geometry(path, image, settings)
    batch = _dimensions(image)[0]
    session = _opened(path, model)

    def run(values: np.ndarray) -> np.ndarray:
        step = batch or len(values)
        rows = []
        for first in range(0, len(values), step):
            block = values[first : first + step]
            # A fixed number of images is filled up with copies of the last one.
            filled = np.concatenate([block, *[block[-1:]] * (step - len(block))]).astype(dtype)
            rows.append(session.run([chosen[0].name], {image.name: filled})[0][: len(block)])
        return np.concatenate(rows)

    shape = (2, 3, size, size) if layout == "nchw" else (2, size, size, 3)
    try:
        found = run(np.zeros(shape, dtype))
    except Exception as error:  # onnxruntime has one exception class per status code and no common base
        raise DataError(f"{path}: the graph cannot be run on images of {size}x{size}: {one_line(error)}") from error
    if found.ndim != 2 or len(found) != 2 or found.dtype.kind != "f":
        raise DataError(
            f"{path}: the output {_described(chosen[0])} is {found.dtype} {list(found.shape)} for two images; a "
            "classifier has a row of numbers for each image"
        )
    mean, std = settings.of_unit_pixels()
    if dtype is np.uint8 and (settings.mean or settings.std or settings.value_range):
        raise UsageError(f"{path} takes pixels as bytes and scales them itself; leave out --mean, --std and --range")
    _any_number_of_images(model, image, batch, size, layout)
    return ForeignNetwork(
        source=path,
        architecture="",
        graph=model,
        output=chosen[0].name,
        columns=found.shape[1],
        layout=layout,
        size=size,
        mean=None if dtype is np.uint8 else mean,
        std=None if dtype is np.uint8 else std,
        run=run,
        fixed_batch=batch,
    )


def _load(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        model = inliner.inline_local_functions(model)
    except FileNotFoundError as error:
        raise DataError(f"{path}: {one_line(error)}") from error
    except onnx.checker.ValidationError as error:
        beside = "stored in" in str(error)
        remedy = "copy the files with its weights beside it" if beside else "export the network again"
        raise DataError(f"{path} is not a valid ONNX graph: {one_line(error)}; {remedy}") from error
    except Exception as error:  # protobuf has no common base with the others
        raise DataError(f"{path} is not an ONNX file below 2 GB: {one_line(error)}; export it again") from error
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < _OLDEST_OPSET:
        raise DataError(f"{path} has opset {opset}; export the network with opset {_OLDEST_OPSET} or later")
    remove_metadata(model)
    return model


def _opened(path: Path, model: onnx.ModelProto) -> ort.InferenceSession:
    try:
        return open_graph(model.SerializeToString())
    except Exception as error:  # see above
        raise DataError(f"{path}: onnxruntime cannot open the graph: {one_line(error)}") from error


def _dimensions(value: onnx.ValueInfoProto) -> list[int | None]:
    """Return the sizes of a tensor, None for a size that the graph leaves open."""
    return [dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim]


def _described(value: onnx.ValueInfoProto) -> str:
    kind = TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    return f"{value.name} ({kind} [{', '.join(str(n or 'any') for n in _dimensions(value))}])"


def _geometry(path: Path, image: onnx.ValueInfoProto, settings: InputSettings) -> tuple[Layout, int]:
    """Return the layout and the side of the input."""
    shape = _dimensions(image)
    if len(shape) != 4:
        raise DataError(f"{path}: the input {_described(image)} is no batch of images, [N, 3, H, W] or [N, H, W, 3]")
    axes: dict[Layout, int] = {"nchw": 1, "nhwc": 3}
    possible = [layout for layout, axis in axes.items() if shape[axis] == 3]
    layout = settings.layout or (possible[0] if len(possible) == 1 else None)
    if layout is None:
        if None in (shape[1], shape[3]) or possible:
            raise UsageError(
                f"{path}: the input {_described(image)} may have either layout; give --layout nchw or nhwc"
            )
        raise DataError(f"{path}: the input {_described(image)} has no dimension of 3 channels (RGB)")
    channels = shape[axes[layout]]
    if channels not in (None, 3):
        raise UsageError(f"--layout {layout}: the input {_described(image)} of {path} has {channels} channels then")
    sides = shape[2:] if layout == "nchw" else shape[1:3]
    stated = {side for side in sides if side is not None}
    if len(stated) > 1:
        raise DataError(f"{path}: the input is {sides[0]}x{sides[1]} pixels; only squares are supported")
    side = next(iter(stated), None)
    if side is None and settings.size is None:
        raise UsageError(f"{path} takes images of any size; give the one that it was trained with: --size 224")
    if side is not None and settings.size not in (None, side):
        raise UsageError(f"--size {settings.size}: the graph of {path} takes {side}x{side} pixels")
    return layout, checked_size(side or settings.size or 0, path)


def checked_size(size: int, path: Path) -> int:
    """Return a side that a bundle can have.

    Raises:
        DataError: It is too small or too large.
    """
    if not 32 <= size <= 1024:
        raise DataError(f"{path} takes {size}x{size} pixels; 32 to 1024 are supported")
    return size


def _any_number_of_images(
    model: onnx.ModelProto, image: onnx.ValueInfoProto, batch: int | None, size: int, layout: Layout
) -> None:
    """Let a graph take any number of square images; `import_network` checks that it then gives the same outputs."""
    sides: list[str | int] = [3, size, size] if layout == "nchw" else [size, size, 3]
    kind = image.type.tensor_type.elem_type
    image.CopyFrom(helper.make_tensor_value_info(image.name, kind, ["images", *sides]))
    del model.graph.value_info[:]
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant" and n.attribute}
    for node in model.graph.node:
        shape = constants.get(node.input[1]) if node.op_type == "Reshape" else None
        if batch is None or shape is None:
            continue
        sizes = numpy_helper.to_array(shape).copy()
        if sizes.ndim != 1 or not len(sizes) or sizes[0] != batch or 0 in sizes:
            continue
        # Exporters write the number of images of their example into the shape: 0 takes it from the input.
        sizes[0] = 0
        name = f"{node.output[0]}/shape"
        model.graph.initializer.append(numpy_helper.from_array(sizes, name))
        node.input[1] = name
        kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)
