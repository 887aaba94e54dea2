"""Learns churn from customer_series and scores with what it learned; knows neither Spark nor Airflow."""

import os

# Read when TensorFlow starts: no chatter, and the same order of floating-point sums on every make of CPU.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
