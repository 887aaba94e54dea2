"""Measurements: what the product costs and how it compares with what one would pick instead."""

import time
from collections.abc import Callable

#: To be set before NumPy or TensorFlow is imported: what is timed is one core.
ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


def time_once(work: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start
