"""The model card of a bundle, and its appendix, as Markdown documents."""

from lesionlab.evaluation.card.explanations import read_explanations
from lesionlab.evaluation.card.external import ExternalEvaluation, read_external
from lesionlab.evaluation.card.render import render_appendix, render_card

__all__ = ["ExternalEvaluation", "read_explanations", "read_external", "render_appendix", "render_card"]
