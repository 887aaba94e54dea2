"""Trains churn models on customer_series and scores with them; depends on neither Spark nor Airflow."""

import os

# TensorFlow reads these when it is imported: fewer log lines, and the same order of floating-point sums on every CPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
