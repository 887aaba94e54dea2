"""The peer of infra/bench/training_peer.py: trains the LSTM in PyTorch on one thread, in an interpreter that has it.

    PYTHON infra/bench/torch_epoch.py FILE.npz

The file holds settings, the weights in Keras' order, and the batches. For every line of the input it trains an epoch,
and prints its wall seconds, CPU seconds and losses as JSON. Imports nothing of the product.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

#: Keras' AdamW has another one than PyTorch's.
EPSILON = 1e-7


class Peer:
    def __init__(self, content):
        self.clip_norm, self.farthest = float(content["clip_norm"]), float(content["farthest"])
        weights = [torch.from_numpy(content[f"weight_{n}"]) for n in range(7)]
        self.mean, self.scale, kernel, recurrent, bias, head, head_bias = weights
        (features, gates), outputs = kernel.shape, len(head_bias)
        self.lstm = torch.nn.LSTM(features, gates // 4, batch_first=True)
        self.head = torch.nn.Linear(gates // 4 + features, outputs)
        values = (kernel.T, recurrent.T, bias, torch.zeros_like(bias), head.T, head_bias)
        with torch.no_grad():
            for place, value in zip((*self.lstm.parameters(), *self.head.parameters()), values, strict=True):
                place.copy_(value)
        self.lstm.bias_hh_l0.requires_grad_(False)  # Keras has one bias
        self.weights = [w for w in (*self.lstm.parameters(), *self.head.parameters()) if w.requires_grad]
        rates = {name: float(content[name]) for name in ("lr", "weight_decay")}
        self.optimizer = torch.optim.AdamW(self.weights, **rates, eps=EPSILON)

    def learn(self, inputs, labels, label_mask) -> float:
        self.optimizer.zero_grad()
        standard = torch.clamp((inputs - self.mean) / self.scale, -self.farthest, self.farthest)
        logits = self.head(torch.cat([self.lstm(standard)[0], standard], dim=-1))
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, label_mask, reduction="sum")
        loss = losses / label_mask.sum()
        loss.backward()
        for weight in self.weights:
            torch.nn.utils.clip_grad_norm_(weight, self.clip_norm)
        self.optimizer.step()
        return loss.item()


def main(path: str) -> None:
    torch.set_num_threads(1)
    content = np.load(path)
    peer, count = Peer(content), int(content["batches"])
    batches = [[torch.from_numpy(content[f"{n}_{part}"]) for part in range(3)] for n in range(count)]
    for _ in sys.stdin:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        losses = [peer.learn(*batch) for batch in batches]
        spent = time.perf_counter() - begin, time.process_time() - begin_cpu
        print(json.dumps([*spent, losses]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
