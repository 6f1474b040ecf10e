"""Synthetic dermoscopy-like images of the seven diagnoses, for the demo and the tests.

Phantoms are drawn procedurally, without patient data or downloads, and are determined by a seed. The classes differ in
the usual dermoscopic criteria, with overlap, so that classification is not trivial. Metrics on phantoms test a pipeline
and have no clinical meaning.
"""

from lesionlab.phantoms.dataset import write_phantoms
from lesionlab.phantoms.lesion import PhantomLesion, draw_lesion
from lesionlab.phantoms.rendering import phantom_image, render
from lesionlab.phantoms.view import View, draw_view

__all__ = [
    "PhantomLesion",
    "View",
    "draw_lesion",
    "draw_view",
    "phantom_image",
    "render",
    "write_phantoms",
]
