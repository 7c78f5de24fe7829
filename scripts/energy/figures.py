"""Published energies of an operation, and what lies between them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """Energies of a process in pJ.

    add : of two numbers of 32 bits
    multiply : of two numbers of 8 bits, and of 32 bits
    memory : of 64 bits from a static memory, by its bytes
    source : where the figures are from
    """

    name: str
    add: float
    multiply: tuple[float, float]
    memory: dict[int, float]
    source: str

    def product(self, bits: tuple[int, int]) -> float:
        """Return the energy of a product of numbers of so many bits, by a power of the number of bit pairs."""
        small, large = self.multiply
        return small * (math.prod(bits) / 8**2) ** (math.log(large / small) / math.log(32**2 / 8**2))

    def access(self, size: float) -> float:
        """Return the energy of 64 bits from a memory of `size` bytes: straight lines between the logarithms.

        Smaller memories than the smallest count as that one.
        """
        sizes = sorted(self.memory)
        size = max(size, sizes[0])
        high = next((number for number, known in enumerate(sizes) if known >= size and number), len(sizes) - 1)
        (a, b) = sizes[high - 1], sizes[high]
        part = math.log(size / a) / math.log(b / a)
        return self.memory[a] * (self.memory[b] / self.memory[a]) ** part


N45 = Node(
    "45 nm",
    0.1,
    (0.2, 3.1),
    {8 << 10: 10.0, 32 << 10: 20.0, 1 << 20: 100.0},
    "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, "
    "https://doi.org/10.1109/ISSCC.2014.6757323",
)
N7 = Node(
    "7 nm",
    0.03,
    (0.07, 1.48),
    {8 << 10: 7.5, 32 << 10: 8.5, 1 << 20: 14.0},
    "N. Jouppi and others, Ten lessons from three generations shaped Google's TPUv4i, ISCA 2021, table 2, "
    "https://doi.org/10.1109/ISCA52012.2021.00010 (as it is quoted elsewhere; the paper itself was not at hand)",
)


def between(name: str, size: float, first: tuple[float, Node], second: tuple[float, Node]) -> Node:
    """Return a node between two others, each given with its size in nm: powers of the size between their figures."""
    (large, old), (small, new) = first, second
    part = math.log(large / size) / math.log(large / small)

    def scaled(a: float, b: float) -> float:
        return a * (b / a) ** part

    multiply = scaled(old.multiply[0], new.multiply[0]), scaled(old.multiply[1], new.multiply[1])
    memory = {size: scaled(energy, new.memory[size]) for size, energy in old.memory.items()}
    return Node(name, scaled(old.add, new.add), multiply, memory, "scaled between 45 and 7 nm")


N28 = between("28 nm", 28, (45, N45), (7, N7))
NODES = (N28, N7)

RADIOS = {
    "5.8 pJ/bit": (
        5.8,
        "ultra-wideband transmitter for implants, 28 nm, 1.66 Gbit/s over 15 cm, "
        "https://pmc.ncbi.nlm.nih.gov/articles/PMC7614137",
    ),
    "36 pJ/bit": (
        35.9,
        "optical pulses through skin, 128 Mbit/s, A. De Marcellis and others, Electronics 2016, "
        "https://doi.org/10.3390/electronics5040069",
    ),
    "0.6 nJ/bit": (
        600.0,
        "Bluetooth Low Energy transmitter of 0.6 mW at 1 Mbit/s, University of Michigan, ISSCC 2019, as told by IEEE "
        "Spectrum (Teeny-tiny Bluetooth transmitter runs on less than 1 milliwatt)",
    ),
    "20 nJ/bit": (20000.0, "what O. Savolainen and others (2022, below) reckon with for an implant's radio"),
}
