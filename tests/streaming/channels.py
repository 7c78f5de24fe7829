"""Streams through a radio: what tests send, and what they demand of what arrives."""

from __future__ import annotations

import numpy as np

from runtime.streaming import Radio, StreamDecoder


def carried(radio: Radio, packets: list[bytes]) -> list[bytes]:
    """Return the packets that arrive, in order."""
    return [packet for sent in packets for _, packet in radio.send(sent)] + [packet for _, packet in radio.finish()]


def decoded(packets: list[bytes], pieces: int | None = None, **options) -> tuple[list, StreamDecoder]:
    """Return the blocks of packets, which come one by one or in pieces, and the decoder."""
    decoder = StreamDecoder(**options)
    data = b"".join(packets)
    if pieces is not None:
        packets = [data[at : at + pieces] for at in range(0, len(data), pieces)]
    blocks = [block for packet in packets for block in decoder.push(packet)]
    return blocks + decoder.finish(), decoder


def numbers_of(events: list, kind: str) -> list[int]:
    """Return the numbers of the frames that events of a kind name."""
    return [n for event in events if event.kind == kind for n in range(event.first, event.first + event.frames)]


def check(blocks: list, decoder: StreamDecoder, right: np.ndarray) -> list[int]:
    """Demand that frames come once and in order, are the right ones, and that events name all others.

    Frames behind the last packet that came are unknown to a decoder that has not seen the stream's end.

    Returns
    -------
    list of int
        Numbers of the frames that came.
    """
    came = [n for first, samples in blocks for n in range(first, first + len(samples))]
    missing = numbers_of(decoder.events, "missing")
    assert came == sorted(set(came)) and missing == sorted(set(missing)) and not set(came) & set(missing)
    assert decoder.missing == len(missing)
    end = len(came) + len(missing)
    assert sorted(came + missing) == list(range(end))
    assert end == len(right) if decoder.complete else "truncated" in [event.kind for event in decoder.events]
    assert set(numbers_of(decoder.events, "restored")) <= set(came)
    samples = np.concatenate([part for _, part in blocks] or [right[:0]])
    assert np.array_equal(samples, right[came]), "wrong samples"
    return came
