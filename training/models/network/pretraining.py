"""Self-supervised pretraining: the cell learns to predict the inputs of the next step.

Every step that is followed by another is used, also those of customers who were too inactive to have a label. The
cell's weights are kept; the prediction head is discarded.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import ops

from training.config import ModelSettings
from training.models.network.network import ChurnNetwork
from training.tensors.dataset import Tensors


def pretrain(network: ChurnNetwork, epochs: Iterable[Iterable[Tensors]], settings: ModelSettings, seed: int) -> None:
    """Trains the network's cell, with one gradient step for each batch of each epoch."""
    if not settings.pretrain_epochs:
        return
    features = network.architecture.features
    head = keras.layers.Dense(features, kernel_initializer=keras.initializers.GlorotUniform(seed))
    head.build((None, None, settings.lstm_units))
    variables = [*network.cell.trainable_variables, *head.trainable_variables]
    optimizer = keras.optimizers.AdamW(settings.learning_rate / 2, clipnorm=settings.clip_norm)
    optimizer.build(variables)

    @tf.function(input_signature=[tf.TensorSpec((None, None, features)), tf.TensorSpec((None,), tf.int32)])
    def step(inputs, lengths):
        standard = network.standardise(inputs)
        is_followed = tf.sequence_mask(lengths - 1, tf.shape(inputs)[1] - 1, tf.float32)
        with tf.GradientTape() as tape:
            missed = tf.square(head(network.cell(standard))[:, :-1] - standard[:, 1:])
            loss = tf.math.divide_no_nan(
                tf.reduce_sum(tf.reduce_mean(missed, axis=-1) * is_followed), tf.reduce_sum(is_followed)
            )
        optimizer.apply(tape.gradient(loss, variables), variables)

    for batches in epochs:
        for batch in batches:
            step(ops.convert_to_tensor(batch.inputs), ops.convert_to_tensor(batch.lengths))
