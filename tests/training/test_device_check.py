"""Does the self-test see how the LSTM is computed, and a step that learns something else?"""

from __future__ import annotations

from unittest.mock import patch

import pytest

from spark_jobs.contract.features import FEATURES
from training import device_check
from training.device_check import TOLERANCE, compare_step, find_faults, make_tensors, trace_lstm
from training.models.network import network


def test_the_layer_is_one_operation_on_a_cpu_and_cudnn_on_a_gpu(monkeypatch):
    monkeypatch.setattr(network, "GPUS", [])
    assert trace_lstm() == ["BlockLSTM"]
    assert [name[:8] for name in trace_lstm(as_on_gpu=True)] == ["CudnnRNN"]


def test_a_layer_that_does_not_meet_the_conditions_is_seen():
    relu = {"lstm": lambda units, seed: network.FusedLSTM(units, activation="relu", return_sequences=True)}
    with patch.object(network, "CELLS", relu):
        assert not any(name.startswith("Cudnn") for name in trace_lstm(as_on_gpu=True))


def test_a_step_agrees_with_keras_loop_and_another_order_of_gates_does_not():
    tensors = make_tensors(64, len(FEATURES))
    assert compare_step(tensors) < TOLERANCE
    with patch.object(network.FusedLSTM, "_order_gates", lambda self, weights: weights):
        assert compare_step(tensors) > TOLERANCE


@pytest.mark.parametrize(
    ("gpus", "operations", "difference", "needs_gpu", "fault"),
    [
        ([], ["BlockLSTM"], 1e-6, False, None),
        ([], ["BlockLSTM"], 1e-6, True, "TensorFlow finds no GPU"),
        (["H200"], ["CudnnRNNV3"], 1e-5, True, None),
        (["H200"], ["While"], 1e-5, False, "the LSTM is computed by While instead of cuDNN"),
        ([], ["BlockLSTM"], float("nan"), False, "a step differs by nan from the CPU's, more than 1e-04"),
    ],
)
def test_faults(gpus, operations, difference, needs_gpu, fault):
    assert find_faults(gpus, operations, difference, needs_gpu) == ([fault] if fault else [])


def test_the_command_measures_a_cpu_and_ends_with_the_result(capsys, monkeypatch):
    monkeypatch.setattr(device_check, "REPEATS", 1)
    monkeypatch.setattr(device_check, "STEPS", 8)
    device_check.main(["--customers", "64"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "devices: the CPU; no GPU"
    assert lines[-1].startswith("result: ok: no GPU: the CPU needs ")
