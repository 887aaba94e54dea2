"""The LSTM: its architecture, its training, and its serving without TensorFlow."""
