"""The model card: what a bundle and its evaluation say of a model, as one Markdown document to attach to a paper."""

from lesionlab.evaluation.card.explanations import read_explanations
from lesionlab.evaluation.card.external import ExternalEvaluation, read_external
from lesionlab.evaluation.card.render import render_card

__all__ = ["ExternalEvaluation", "read_explanations", "read_external", "render_card"]
