"""Labelling: which lesion to label next, the store of the readers' answers, their agreement, and the page."""
