"""Clearly synthetic, dermoscopy-like images of the seven diagnoses, for the demo, the tests and first steps.

A phantom is drawn, not learnt: nobody's skin is in it, it costs no download, and one seed gives the same pixels.
What distinguishes the classes follows the textbook signs, with as much overlap as keeps the task from being
trivial. A figure measured on phantoms says that a pipeline works, and nothing about skin.
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
