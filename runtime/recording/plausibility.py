"""Whether raw samples are of as many channels as was given."""

from __future__ import annotations

import numpy as np

_MOST, _PLACES = 1024, 4096
_CLEARLY = 1.5


def likely_channels(samples: np.ndarray) -> int | None:
    """Return another number of channels, if that is clearly likelier: samples change least from frame to frame.

    Parameters
    ----------
    samples : plain samples [frames, channels], the beginning of a recording
    """
    flat, channels = samples.ravel(), samples.shape[1]
    lags = min(_MOST, len(flat) // 4)
    if lags < max(channels, 2):
        return None
    places = np.linspace(0, len(flat) - lags - 1, _PLACES).astype(np.int64)
    with np.errstate(all="ignore"):  # wrong bytes may be any floats; nothing follows from those that are no numbers
        here = flat[places].astype(np.float64)
        changes = [np.abs(flat[places + lag] - here).mean() for lag in range(1, lags + 1)]
    least = int(np.argmin(changes)) + 1
    return least if changes[channels - 1] > _CLEARLY * changes[least - 1] else None
