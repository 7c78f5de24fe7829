"""Published implants and compression chips: what their sources say, nothing reckoned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Implant:
    """A published system; figures as text, "-" where the source gives none."""

    name: str
    ratio: str
    spike_bits: str
    power: str
    source: str

    def row(self) -> tuple[str, str, str, str]:
        """Return a line of the table."""
        return self.name, self.ratio, self.spike_bits, self.power


IMPLANTS = [
    Implant(
        "Neuralink 2019, 3072 electrodes",
        "1 (cable)",
        "-",
        "-",
        "E. Musk and Neuralink, An integrated brain-machine interface platform with thousands of channels, J Med "
        "Internet Res 2019, https://doi.org/10.2196/16194",
    ),
    Implant(
        "Neuralink N1, what the challenge asks for",
        "200",
        "-",
        "below 10 mW for 1024 channels, radio included",
        "Neuralink Compression Challenge, 2024, https://content.neuralink.com/compression-challenge/README.html",
    ),
    Implant(
        "49 channels, principal components of spikes, 28 nm",
        "328",
        "-",
        "10.9 uW a channel (534 uW), converter included",
        "W. Lemaire and others, Scalable 49-channel neural recorder with an event-driven ramp ADC and PCA compression "
        "in 28 nm CMOS, 2025, https://arxiv.org/abs/2505.04128; sorting accuracy falls from 79.5 to 74.9 %",
    ),
    Implant(
        "1024 channels, spike sorting, 40 nm",
        "over 1000",
        "-",
        "0.074 uW a channel",
        "1024-channel ultra-low-power spike sorting chip with event-driven detection and spatial clustering, TU Delft "
        "repository, https://repository.tudelft.nl/person/Person_a5f6f44d-04c9-44a6-b50f-35a2d0735958; sends labels "
        "only",
    ),
    Implant(
        "512 channels, adaptive multi-stage compression",
        "1098",
        "-",
        "-",
        "P. Yan and others, A framework for compressive on-chip action potential recording, "
        "https://repository.tudelft.nl/record/uuid:69b17232-b143-4b56-bca7-e83aa52c99b7; keeps 90 % of spikes",
    ),
    Implant(
        "1024 channels, spike detector only",
        "-",
        "-",
        "3.6 uW a channel",
        "G. Saggese and A. Strollo, a detector with the operator ASO and a noise estimate, as listed at "
        "https://ouci.dntb.gov.ua/en/?backlinks_to=10.1109%2Fner.2019.8717068",
    ),
    Implant(
        "threshold counts in 50 ms, Huffman",
        "1700 to 15,000",
        "-",
        "0.96 uW a channel (27 bit/s a channel)",
        "O. Savolainen and others, Hardware-efficient compression of neural multi-unit activity, IEEE Access 2022; "
        "ratios from the preprint, https://doi.org/10.1101/2022.03.25.485863; counts only, FPGA",
    ),
    Implant(
        "128 channels, lossless LFP and cut-out spikes, 180 nm",
        "5.35 (LFP), 10.54 (spikes)",
        "-",
        "3.37 uW a channel, amplifiers and converter included",
        "Dynamic power reduction in scalable neural recording interface using spatiotemporal correlation and temporal "
        "sparsity of neural signals, "
        "https://discovery.researcher.life/article/607c4fedc2b9351b8c89cec6d3db978d",
    ),
    Implant(
        "100 channels, delta coding, 180 nm",
        "2",
        "-",
        "9.7 uW a channel (0.97 mW)",
        "U. Bihr and others, Real-time data compression of neural spikes, NEWCAS 2014, "
        "https://doi.org/10.1109/NEWCAS.2014.6934076; lossless, synthesised; pays above 121 pJ/bit",
    ),
    Implant(
        "32 channels, wavelets and run lengths, 130 nm",
        "-",
        "-",
        "25 uW a channel (800 uW)",
        "Y. Yang and others, A configurable realtime DWT-based neural data compression and communication VLSI system "
        "for wireless implants, J Neurosci Methods 227 (2014) 140-150",
    ),
    Implant(
        "lossless, delta and Huffman codes, FPGA",
        "1.5",
        "-",
        "below 3 mW for the algorithm",
        "A. Cuevas-Lopez and others, Low-power lossless data compression for wireless brain electrophysiology, Sensors "
        "2022, https://pmc.ncbi.nlm.nih.gov/articles/PMC9147146; to less than 65.5 % of the size",
    ),
    Implant(
        "field potentials, autoencoder, FPGA",
        "up to 150",
        "-",
        "-",
        "A. Krishna and others, Neural signal compression using RAMAN tinyML accelerator for BCI applications, 2025, "
        "https://arxiv.org/abs/2504.06996; lossy",
    ),
]
