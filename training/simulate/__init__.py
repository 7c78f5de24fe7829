"""Seeded simulators of implant recordings: single channels, and arrays with what channels have in common."""

from .arrays import ArraySimulation, write_array
from .channels import RATE, TRANSITION_LEVELS, Simulation, Unit, quantise, simulate, write_wav, write_wavs

__all__ = ["RATE", "TRANSITION_LEVELS", "ArraySimulation", "Simulation", "Unit", "quantise", "simulate"]
__all__ += ["write_array", "write_wav", "write_wavs"]
