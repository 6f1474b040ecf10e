"""Prediction of many images in shards: a run that can be interrupted, on one machine or on a Ray cluster."""
