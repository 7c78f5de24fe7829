"""A model in the form that compiled loops work with."""

from __future__ import annotations

import numpy as np

from ..core.implant_table import CODE_TO_SAMPLE
from ..entropy.entropy_model import EntropyModel
from ..entropy.symbol_search import GuessTables
from ..predictor.input_arithmetic import FEATURES, initial_means
from ..predictor.lanes import Lanes
from ..predictor.metadata import Layer
from ..predictor.model import Model
from .kernels import LaneTable, run_network
from .pair_network import pair_weights
from .rans_kernels import TABLES_END

_CHECKED_ROWS = 1 << 12
_UNROLLED = 8
"""Hidden layers are padded to a multiple of this."""


class Engine:
    """A model's network and tables.

    Attributes
    ----------
    network : (float32 [n], int64 [layers + 1])
        Weights of all layers, and the sizes of these; see `kernels.infer`.
    pair_network : (float32 [n], int64 [layers, 3])
        The same for two blocks at once; see `pair_network`.
    tables : int32, see `rans_kernels.SCALES`
    """

    def __init__(self, model: Model):
        assert model.layers is not None
        self.network, self.pair_network = _network(model.layers), pair_weights(model.layers)
        self.tables = _tables(model.entropy, model.guesses)

    def wrong_rows(self, model: Model) -> int:
        """Return for how many rows of inputs, some thousand random ones, the outputs differ from onnxruntime's."""
        rows = np.random.default_rng(0).integers(0, 256, (_CHECKED_ROWS, FEATURES), np.uint8)
        rows[::2] = 128 + (rows[::2].astype(np.int64) - 128 >> 3)
        found, expected = run_network(rows, *self.network), model.run(rows)
        expected[:, 1] = np.clip(expected[:, 1], 0, 127)
        return int((found != expected).any(axis=1).sum())


def _network(layers: tuple[Layer, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and sizes as `kernels.infer` takes them."""
    sizes = [len(layers[0].weights), *(-(-len(layer.bias) // _UNROLLED) * _UNROLLED for layer in layers[:-1]), 2]
    parts = []
    for layer, inputs, outputs in zip(layers, sizes, sizes[1:], strict=False):
        rows = np.zeros((1 + inputs, outputs), np.float32)
        rows[0, : len(layer.bias)] = layer.bias
        rows[1 : 1 + len(layer.weights), : len(layer.bias)] = layer.weights
        columns = min(outputs, _UNROLLED)
        parts += [np.array([2.0**-layer.shift]), rows.reshape(1 + inputs, -1, columns).swapaxes(0, 1).ravel()]
    return np.concatenate(parts).astype(np.float32), np.array(sizes)


def _tables(entropy: EntropyModel, guesses: GuessTables) -> np.ndarray:
    """Return all tables in one array, in the order of `rans_kernels.SCALES`."""
    by_scale = guesses.by_scale.T.copy()
    by_scale[:, 3] += TABLES_END
    by_scale[:, 5] += TABLES_END + len(entropy.table)
    bins = np.arange(len(entropy.q6)) if entropy.bins is None else entropy.bins
    of_codes = [CODE_TO_SAMPLE, entropy.reconstruction, bins, entropy.q6, entropy.samples]
    parts = [by_scale.ravel(), entropy.levels, guesses.code_at, *of_codes]
    assert sum(map(len, parts)) == TABLES_END
    return np.concatenate([*parts, entropy.table, guesses.middles]).astype(np.int32)


def lane_table(lanes: Lanes, low_rows: np.ndarray) -> LaneTable:
    """Return lanes of one chunk for compiled loops.

    Parameters
    ----------
    lanes : Lanes
    low_rows : int64 [channels], row of each channel's low bits, -1 without
    """
    count = len(lanes)
    references = np.where(lanes.references == np.arange(count), -1, lanes.references).T
    series, used = np.full(count, -1), np.unique(references[references >= 0])
    series[used] = np.arange(len(used))
    bounds = np.unique(np.searchsorted(lanes.order_level, np.arange(int(lanes.order_level[-1]) + 2)))
    return LaneTable(
        mean=lanes.mean,
        initial_mean=initial_means(lanes.initial_scale)[0],
        linear=lanes.linear,
        shift=lanes.shift,
        octaves=lanes.octaves.astype(np.int32),
        offset=lanes.offset.astype(np.int32),
        adaptive=lanes.adaptive,
        length=lanes.length,
        start=lanes.start,
        channel=lanes.channel,
        low=low_rows[lanes.channel],
        coefficients=np.ascontiguousarray(lanes.coefficients.T),
        references=np.ascontiguousarray(references),
        taps=np.ascontiguousarray(lanes.reference_taps.transpose(2, 0, 1)),
        series=series,
        bounds=bounds,
    )
