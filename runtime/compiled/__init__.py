"""The compiled engine: loops of predictor and entropy coder by numba, where the extra `fast` is installed."""
