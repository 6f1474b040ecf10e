"""Explanations of predictions: class activation maps, nearest training images and lesion measures."""
