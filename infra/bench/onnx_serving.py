"""Is it better to serve the LSTM by ONNX Runtime, with full or 8-bit weights, than by numpy?

    make demo
    python -m infra.bench.onnx_serving --shop infra/demo/online_retail/shop.toml --as-of 2011-09-04

Converts the LSTM of the model that scores --as-of to an ONNX graph, and to one with 8-bit weights and products. Scores
all customers who were eligible one longest horizon earlier with each, on one core; `sorted` gives ONNX Runtime parts of
similar lengths, as numpy gets them. The two packages are not part of the product: they are downloaded once into
CHURN_HOME/downloads.

size    kilobytes of all members' files
start   CPU seconds until a new process has loaded what it needs
µs      CPU microseconds per customer, the median of several runs
task    CPU seconds of a full task of the scoring job: its start, and the largest number of customers of a task
AUROC   at the primary horizon, by the outcomes since
apart   the largest difference of its calibrated probabilities to numpy's
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from infra.bench import ONE_CORE, time_once

os.environ |= ONE_CORE

import numpy as np
import pyarrow as pa

from infra.bench.serving import time_start
from infra.local.environment import read_settings
from infra.local.setup import find_uv, install_uv
from spark_jobs.churn_risk import CUSTOMERS_PER_TASK
from spark_jobs.contract.errors import ChurnError
from spark_jobs.contract.shop.model import Shop
from spark_jobs.lake.store import Lake
from spark_jobs.runtime.command import load_arguments, make_parser, run_command
from spark_jobs.warehouse.connection import connect
from spark_jobs.warehouse.protocol import Warehouse
from training.backtest import read_series
from training.evaluation.metrics import Ranking
from training.models.blend import BlendMembers
from training.models.contenders.lstm import LSTM
from training.models.members import NetworkMembers
from training.models.network.architecture import FARTHEST_INPUT
from training.models.network.served import GATE_FACTORS, ROWS_AT_ONCE, ServedNetwork
from training.reporting.markdown import write_table
from training.selection.fit import Candidate
from training.serving.bundle import load_bundle
from training.tensors.dataset import Tensors, TensorSpec
from training.tensors.outcomes import take_outcomes
from training.tensors.series import Series, truncate

PACKAGES = ("onnx==1.23.2", "onnxruntime==1.32.0")
#: The ONNX operator set of the graph.
OPSET = 17
COLUMNS = ("served by", "size, kB", "start, s", "µs", "task, s", "AUROC", "apart")
TRIES = 9
#: With full weights, in probability.
MOST_APART = 1e-4
STARTS = {
    "numpy": "import training.models.network.served",
    "ONNX Runtime": "import sys; sys.path.append({folder!r}); import training.models.network.served, onnxruntime",
}

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main(argv: Sequence[str] | None = None) -> None:
    arguments, shop = load_arguments(make_parser(__doc__), argv)
    settings = read_settings()
    folder = settings.home / "downloads" / "onnx"
    fetch_packages(folder)
    candidate, members = find_network(connect(settings), shop, arguments.as_of)
    series = read_series(Lake(settings.lake(shop.name)), shop, [arguments.as_of])[arguments.as_of]
    primary = shop.churn.horizons_days.index(shop.churn.primary_horizon_days)
    tensors, outcome, counts = take_customers(series, candidate.spec, shop, primary)
    starts = {name: time_start(code.format(folder=str(folder))) for name, code in STARTS.items()}
    rows, expected = [COLUMNS], None
    for name, (size, predict) in make_servers(members, folder).items():
        work = partial(predict, tensors.inputs, tensors.lengths)
        p = candidate.calibration.apply(work())
        expected = p if expected is None else expected
        apart = np.abs(p - expected).max()
        if apart > MOST_APART and "int8" not in name:
            raise ChurnError(f"{name} is {apart:.1e} apart from numpy: the graph of write_graph is not the network")
        auroc = Ranking(outcome[counts], p[counts, primary]).auroc(np.ones((1, counts.sum())))[0]
        cost = np.median([time_once(work) for _ in range(TRIES)]) / len(p)
        start = starts[name.partition(",")[0]]
        task = start + cost * CUSTOMERS_PER_TASK
        rows.append((name, f"{size / 1000:.0f}", f"{start:.2f}", f"{cost * 1e6:.1f}", f"{task:.2f}", f"{auroc:.4f}",
                     f"{apart:.1e}"))  # fmt: skip
    print("\n".join(write_table(rows)))


def fetch_packages(folder: Path) -> None:
    if not folder.exists():
        install = [find_uv() or install_uv(), "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
        if subprocess.run([*install, "--target", str(folder), *PACKAGES]).returncode != 0:
            raise ChurnError(f"{', '.join(PACKAGES)} could not be fetched: see uv's message above, and repeat")
    sys.path.append(str(folder))


def find_network(warehouse: Warehouse, shop: Shop, as_of: date) -> tuple[Candidate, NetworkMembers]:
    """The model that scores the day, and the members of its LSTM, which is the model itself or a part of a blend."""
    found = warehouse.model_for(shop, as_of)
    candidate = load_bundle(found[0].location, found[0].bundle_hash).candidate if found else None
    whole = candidate and candidate.members
    members = whole.parts.get(LSTM) if isinstance(whole, BlendMembers) else whole
    if candidate is None or not isinstance(members, NetworkMembers) or not isinstance(members.network, ServedNetwork):
        raise ChurnError(f"no LSTM scores {shop.name} on {as_of}: promote a model that has one")
    return candidate, members


def take_customers(
    series: Series, spec: TensorSpec, shop: Shop, primary: int
) -> tuple[Tensors, np.ndarray, np.ndarray]:
    """Customers eligible one longest horizon before the end: tensors, primary outcomes (N,), and who counts (N,)."""
    cutoff = series.as_of - timedelta(days=shop.churn.horizons_days[-1])
    everybody = pa.concat_tables(series.chunks()).combine_chunks()
    outcomes = take_outcomes(everybody, cutoff, shop)
    rows = np.flatnonzero(outcomes.eligible)
    then = truncate(everybody.take(pa.array(rows)), cutoff)
    return spec.build(then, cutoff), outcomes.outcome[rows, primary], outcomes.active[rows, primary]


def make_servers(members: NetworkMembers, folder: Path) -> dict[str, tuple[int, Predict]]:
    """Name -> the size of its files, and a function (inputs, lengths) -> probabilities (B, H) before calibration."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole, small = [], []
    for number, weights in enumerate(members.weights):
        members.network.load_flat(weights)
        whole.append(folder / f"member_{number}.onnx")
        small.append(folder / f"member_{number}_int8.onnx")
        onnx.save(write_graph(members.network), whole[-1])
        quantize_dynamic(whole[-1], small[-1], weight_type=QuantType.QInt8)
    return {
        "numpy": (members.weights.nbytes, members.predict_last),
        "ONNX Runtime": (_sum_bytes(whole), load_sessions(whole)),
        "ONNX Runtime, sorted": (_sum_bytes(whole), sort_by_length(load_sessions(whole))),
        "ONNX Runtime, int8": (_sum_bytes(small), load_sessions(small)),
    }


def _sum_bytes(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def load_sessions(files: Sequence[Path]) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    sessions = [onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"]) for file in files]

    def predict(inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        given = {"inputs": inputs, "lengths": lengths.astype(np.int32)}
        return np.mean([session.run(None, given)[0] for session in sessions], axis=0).astype(np.float64)

    return predict


def sort_by_length(predict: Predict) -> Predict:
    """Predicts parts of customers of similar lengths, as ServedNetwork does, so that little padding is computed."""

    def predict_sorted(inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        order, ordered = np.argsort(-lengths), []
        for start in range(0, len(order), ROWS_AT_ONCE):
            rows = order[start : start + ROWS_AT_ONCE]
            ordered.append(predict(inputs[rows, : lengths[rows].max()], lengths[rows]))
        return np.concatenate(ordered)[np.argsort(order)]

    return predict_sorted


def write_graph(network: ServedNetwork):
    """The ONNX model of a network with hazards: inputs (B, T, F), lengths (B,) -> probabilities (B, H)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    architecture = network.architecture
    if architecture.interval_ends is None:
        raise ChurnError("only a network with hazards can be converted to ONNX: model.head must be hazard")
    constants = {
        "mean": network.mean, "scale": network.scale, "head": network.head, "head_bias": network.head_bias,
        "kernel": _order_gates(network.kernel).T[None], "recurrent": _order_gates(network.recurrent).T[None],
        "bias": np.concatenate([_order_gates(network.bias), np.zeros_like(network.bias)])[None],
        "lowest": np.float32(-FARTHEST_INPUT), "highest": np.float32(FARTHEST_INPUT),
        "one": np.array([1]), "first": np.array([0]), "interval_axis": np.array(1),
        "horizons": np.array([architecture.interval_ends.index(days) for days in architecture.horizons_days]),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Sub", ["inputs", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Clip", ["scaled", "lowest", "highest"], ["standard"]),
        node("Transpose", ["standard"], ["by_step"], perm=[1, 0, 2]),
        node("LSTM", ["by_step", "kernel", "recurrent", "bias", "lengths"], ["", "ends"],
             hidden_size=architecture.lstm_units),
        node("Squeeze", ["ends", "first"], ["end"]),
        node("Cast", ["lengths"], ["counts"], to=TensorProto.INT64),
        node("Sub", ["counts", "one"], ["last"]),
        node("Unsqueeze", ["last", "one"], ["place"]),
        node("GatherND", ["standard", "place"], ["now"], batch_dims=1),
        node("Concat", ["end", "now"], ["seen"], axis=1),
        node("MatMul", ["seen", "head"], ["product"]),
        node("Add", ["product", "head_bias"], ["logits"]),
        node("Softplus", ["logits"], ["loss"]),
        node("Neg", ["loss"], ["log_quiet"]),
        node("CumSum", ["log_quiet", "interval_axis"], ["log_quiet_so_far"]),
        node("Exp", ["log_quiet_so_far"], ["quiet_so_far"]),
        node("Gather", ["quiet_so_far", "horizons"], ["p"], axis=1),
    ]  # fmt: skip
    outputs = [("p", TensorProto.FLOAT, ["B", "H"])]
    given = [("inputs", TensorProto.FLOAT, ["B", "T", architecture.features]), ("lengths", TensorProto.INT32, ["B"])]
    graph = helper.make_graph(
        nodes, "churn", *([helper.make_tensor_value_info(*tensor) for tensor in values] for values in (given, outputs)),
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model)
    return model


def _order_gates(weights: np.ndarray) -> np.ndarray:
    """Keras has the gates as i, f, c, o; ONNX as i, o, f, c. weights: of a ServedNetwork."""
    taken, kept, new, shown = np.split(weights, 4, axis=-1) / GATE_FACTORS.reshape(4, *[1] * weights.ndim)
    return np.concatenate([taken, shown, kept, new], axis=-1)


if __name__ == "__main__":
    sys.exit(run_command(main))
