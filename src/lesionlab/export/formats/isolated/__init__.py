"""Code that runs without lesionlab, with onnx and torch only."""
