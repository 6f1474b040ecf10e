"""What also runs where lesionlab is not installed: it needs onnx and torch alone."""
