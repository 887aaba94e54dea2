"""How TensorFlow uses the devices of this machine: the only GPU or the CPU, or several GPUs together.

To be imported before TensorFlow computes anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

GPUS = tf.config.list_physical_devices("GPU")
for _gpu in GPUS:  # otherwise the first process on it takes all its memory
    tf.config.experimental.set_memory_growth(_gpu, True)
if not GPUS:
    # The operations of so small a network take longer on several threads (infra/bench/training_peer.py), and this way
    # results do not depend on the number of cores. The other cores train the other kinds of model.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def choose_strategy(devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """One that shares every batch among these devices, by default all visible GPUs, and adds their gradients up in one
    order; TensorFlow's default where there are fewer than two."""
    names = [f"GPU:{number}" for number in range(len(GPUS))] if devices is None else list(devices)
    if len(names) < 2:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=tf.distribute.ReductionToOneDevice())


def take_share(values: Sequence[tf.Tensor], label_mask: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """This device's rows of `values` and of label_mask (B, T, outputs): with n devices every n-th. Each device gets as
    many, so that none is without; a row that only fills up has no label."""
    context = tf.distribute.get_replica_context()
    devices = context.num_replicas_in_sync
    if devices == 1:
        return *values, label_mask
    count = tf.shape(label_mask)[0]
    rows = tf.range(-(-count // devices)) * devices + context.replica_id_in_sync_group
    own = tf.minimum(rows, count - 1)
    is_row = tf.cast(rows < count, label_mask.dtype)[:, None, None]
    return *(tf.gather(value, own) for value in values), tf.gather(label_mask, own) * is_row


def add_up(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The sums over all devices, on each of them."""
    context = tf.distribute.get_replica_context()
    is_alone = context.num_replicas_in_sync == 1
    return list(values) if is_alone else context.all_reduce(tf.distribute.ReduceOp.SUM, list(values))
