"""The network's inputs, computed by the runtime's predictor: of lanes alone and of whole arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from runtime.codec.intervals import block_steps
from runtime.core.implant_table import CODE_TO_SAMPLE, ImplantValues
from runtime.fit.parameters import FitOptions, fit
from runtime.predictor.block import BlockInputs, Inputs
from runtime.predictor.channel_parameters import LINEAR
from runtime.predictor.input_arithmetic import WINDOW
from runtime.predictor.lanes import Lanes, join, segment_steps, to_lanes

__all__ = ["WINDOW", "Preparation", "array_blocks", "fit_lane", "lane_inputs", "reconstruction_of"]


def reconstruction_of(levels: np.ndarray) -> np.ndarray:
    """Return the reconstruction value of each code from transition levels int [1025], Q6 units, as in the runtime."""
    levels = np.asarray(levels, np.int64)
    return ((levels[:-1] + levels[1:]) >> 1).astype(np.int32)


def fit_lane(codes: np.ndarray, reconstruction: np.ndarray, max_error: int) -> Lanes:
    """Fit the parameters of a channel of codes int [time]; one lane."""
    side = fit(CODE_TO_SAMPLE[codes][:, None], reconstruction, options=FitOptions(max_error=max_error))
    return join([(side, len(codes), len(codes))], reconstruction)


def lane_inputs(lane: Lanes, codes: np.ndarray, reconstruction: np.ndarray) -> Inputs:
    """Run lanes with the parameters of one over codes int [steps, lanes], all of them from their start."""
    lanes = lane.take(np.zeros(codes.shape[1], np.int64))
    return BlockInputs(lanes, ImplantValues(reconstruction), len(codes)).run_block(CODE_TO_SAMPLE[codes])


@dataclass(frozen=True)
class Preparation:
    """Say how rows of an array are made.

    cross_channel : whether channels are predicted from each other
    messages : whether the network has messages
    adaptive : whether linear channels have adaptive predictors
    segmented : whether a channel is cut into lanes as the encoder does it, or is one lane
    """

    cross_channel: bool = True
    messages: bool = False
    adaptive: bool = False
    segmented: bool = False


def array_blocks(
    samples: np.ndarray, reconstruction: np.ndarray, how: Preparation
) -> Iterator[tuple[slice, Inputs, Lanes]]:
    """Yield blocks of steps of an array int16 [time, channel] as the encoder prepares them for the network."""
    segment = segment_steps(len(samples), samples.shape[1]) if how.segmented else len(samples)
    samples = samples[: len(samples) // segment * segment]  # so that all lanes are of one length
    side = fit(samples, reconstruction, options=FitOptions(references=how.cross_channel))
    if how.adaptive:
        side.adaptive = (side.kind == LINEAR).astype(np.int64)
    lanes = join([(side, len(samples), segment)], reconstruction)
    rows = to_lanes([samples], lanes)
    steps = block_steps(len(lanes), len(rows))
    inputs = BlockInputs(lanes, ImplantValues(reconstruction), steps, how.messages)
    for first in range(0, len(rows), steps):
        block = slice(first, min(first + steps, len(rows)))
        yield block, inputs.run_block(rows[block]), lanes
