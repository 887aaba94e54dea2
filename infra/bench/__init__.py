"""Benchmarks: what the product costs, and how its methods compare with alternatives."""

import time
from collections.abc import Callable

#: Limits libraries to one core; to be set before NumPy or TensorFlow is imported.
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


def time_once(work: Callable[[], object]) -> float:
    """Runs the function; returns its CPU seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start
