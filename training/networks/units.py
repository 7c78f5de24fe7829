"""Units of an exported LSTM: how many of them are one."""

GATE_SCALE, CELL_SCALE, HIDDEN_SCALE = 256, 4096, 128
CELL_LIMIT = 4 * CELL_SCALE
