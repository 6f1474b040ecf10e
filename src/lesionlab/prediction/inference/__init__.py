"""From images to graph outputs: preprocessing, sessions, batching and test-time augmentation."""
