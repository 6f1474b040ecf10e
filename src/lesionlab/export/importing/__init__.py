"""Import of a network that was trained elsewhere, as a bundle that is calibrated on labelled images."""

from lesionlab.export.importing.labels import read_labels
from lesionlab.export.importing.model import Imported, import_network
from lesionlab.export.importing.network import ForeignNetwork, InputSettings
from lesionlab.export.importing.onnx_file import read_onnx
from lesionlab.export.importing.timm_checkpoint import read_checkpoint

__all__ = [
    "ForeignNetwork",
    "Imported",
    "InputSettings",
    "import_network",
    "read_checkpoint",
    "read_labels",
    "read_onnx",
]
