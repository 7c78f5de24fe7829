"""Models: one ONNX file each, with all tables in its metadata (docs/format.md section 9)."""

from __future__ import annotations

import copy
import functools
import os
import platform
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ModelError
from ..core.imports import onnxruntime
from ..core.limits import MAX_MODEL_BYTES
from ..core.names import identity_of
from ..entropy.entropy_model import EntropyModel
from ..entropy.symbol_search import GuessTables
from .channel_parameters import REFERENCES
from .input_arithmetic import FEATURES
from .metadata import parse_answers, parse_network, parse_tables
from .networks import graph_check, onnx_graph, recurrent
from .networks.messages import INPUTS, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnxruntime import InferenceSession, IOBinding

DEFAULT, DEVICES = "implant", "device"
"""The models for channels of the implant, and for other devices and channels with much cross-channel gain."""
SPIKES = "spikes"
"""The model of spike mode, for all recordings."""
_COARSE, _COARSE_FROM = "near-lossless", 5
"""The model trained on coarse histories, and the bound from which on it is the better one (docs/models.md)."""
FORMAT = "1"
_KEPT_BOUNDS = 8
"""Bounds for which models are kept, all models together: their tables take 1 MB each."""

CRC_FIELD = b"\x0a\x0dmiddleout.crc\x12\x08"
"""What is in front of the checksum in a model file: its name and lengths as protobuf has them."""


def _folders() -> list[Path]:
    here = Path(__file__).resolve().parents[1]
    return [folder for folder in (here / "models", here.parent / "models") if folder.is_dir()]


def available() -> list[tuple[str, Path]]:
    """Names and paths of the models that come with the package, by name."""
    found = {path.stem: path for folder in reversed(_folders()) for path in sorted(folder.glob("*.onnx"))}
    return sorted(found.items())


def resolve(name: str) -> Path:
    """The file of a shipped name; a name without a version means the newest version."""
    models = dict(available())
    if name in models:
        return models[name]
    versions = [stem for stem in models if stem.rpartition("-v")[0] == name and stem.rpartition("-v")[2].isdigit()]
    if versions:
        return models[max(versions, key=lambda stem: int(stem.rpartition("-v")[2]))]
    raise ModelError(f"no model {name!r}; shipped are {', '.join(models) or 'none'}; a path to an .onnx file works too")


def default(max_error: int = 0, target_rate: float | None = None) -> str:
    """Name of the model to encode with where none is asked for and nothing is known of the recording."""
    return DEFAULT if max_error < _COARSE_FROM and target_rate is None else _COARSE


def load(source: str | os.PathLike | bytes = DEFAULT) -> Model:
    """Load a model by shipped name, path or file bytes, and check it on this machine. Cached per process.

    Raises
    ------
    ModelError
        Unknown name, not a middleout model, or known answers that come out differently here.
    """
    if isinstance(source, bytes):
        return _load(source)
    path = Path(source)
    if path.suffix != ".onnx":
        path = resolve(str(source))
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise ModelError(f"{path}: too large for a model")
        return _load(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def find(identity: bytes) -> Model:
    """The shipped model with this identity. Raises `ModelError` with its name and what to do."""
    for _, path in available():
        if _identity(path, path.stat().st_mtime_ns) == identity:
            return _load(path.read_bytes())
    raise ModelError(
        f"the file was made with model {identity.hex()}, which is not here; supply it with --model PATH "
        "(whoever made the file has it, or can encode with --embed-model)"
    )


@functools.lru_cache(maxsize=64)
def _identity(path: Path, mtime_ns: int) -> bytes:
    return identity_of(path.read_bytes())


@functools.lru_cache(maxsize=8)
def _load(data: bytes) -> Model:
    return Model(data)


@functools.lru_cache(maxsize=_KEPT_BOUNDS)
def _coarse(model: Model, max_error: int, fineness: int) -> Model:
    made = copy.copy(model)
    made.entropy = model.entropy.coarse(max_error, fineness)
    made.guesses = GuessTables(made.entropy)
    return made


class Model:
    """A loaded model, which threads may share.

    Attributes
    ----------
    data : bytes
        The file.
    identity : bytes
        First 8 bytes of its SHA-256.
    name : str
    has_messages : bool
        Whether the network has messages of reference channels as inputs.
    state : int
        Numbers that a lane carries from step to step (see `recurrent`); 0 for most networks.
    layers : tuple of Layer, optional
        The network in integers, if it has neither messages nor a state.
    entropy : EntropyModel
    guesses : GuessTables
    """

    def __init__(self, data: bytes):
        self.data = data
        self.identity = identity_of(data)
        _check_sum(data, self.identity)
        try:
            graph = onnx_graph.read(data)
            graph_check.check(graph)
        except ModelError as error:
            raise ModelError(f"model {self.identity.hex()} can't be used: {error}") from None
        metadata = graph.properties
        if metadata.get("middleout.format") != FORMAT or "middleout.crc" not in metadata:
            raise ModelError(f"model {self.identity.hex()} is not a middleout model of format {FORMAT}")
        self.name = metadata.get("middleout.name", "unnamed")
        self._check_interface(graph)
        self.layers = parse_network(metadata)
        if self.layers is not None and (self.has_messages or self.state):
            raise ModelError(f"model {self.name} lists the layers of a network that is not plain")
        tables = parse_tables(metadata)
        self.entropy = EntropyModel(tables)
        self.guesses = GuessTables(self.entropy)
        answers = parse_answers(metadata, self.has_messages, self.state)
        try:
            self._session = _session(data)
        except Exception as error:  # onnxruntime's errors have no public base class
            raise ModelError(f"model {self.identity.hex()} can't be loaded: {error}") from error
        self._check_answers(*answers)

    def _check_interface(self, graph: onnx_graph.Graph) -> None:
        found = [(end.name, end.type, end.shape) for end in (*graph.inputs, *graph.outputs)]
        self.state = recurrent.state_size(graph)
        self.has_messages = len(graph.inputs) == 2 and not self.state
        expected = [("own", "tensor(uint8)", (FEATURES,)), ("messages", "tensor(uint8)", (REFERENCES, INPUTS))]
        expected = expected[: 1 + self.has_messages] + [("distribution", "tensor(int32)", (2,))]
        if self.state:
            floats = "tensor(float)", (self.state,)
            expected = [expected[0], (recurrent.STATE, *floats), expected[1], (recurrent.NEXT, *floats)]
        if found != expected:
            raise ModelError(f"model {self.name} does not have the inputs and outputs of format {FORMAT}: {found}")

    def _check_answers(self, inputs: list[np.ndarray], expected: list[np.ndarray]) -> None:
        def wrong(found: list[np.ndarray], rows: int) -> np.ndarray:
            return np.any([(a != b[:rows]).any(axis=1) for a, b in zip(found, expected)], axis=0)

        for rows in (len(inputs[0]), 3, 1):
            some = [part[:rows] for part in inputs]
            bad = wrong(self.step(*some) if self.state else [self.run(*some)], rows)
            if bad.any():
                plain = _run(_session(self.data, optimised=False), self._names, inputs)
                cause = "its kernels are" if wrong(plain, len(inputs[0])).any() else "its graph optimiser is"
                raise ModelError(
                    f"model {self.name} gives other results on this machine: {bad.sum()} of {rows} known answers are "
                    f"wrong, so that nothing would be coded exactly. {_versions()}: {cause} to blame. Please report "
                    "this, and try another version of onnxruntime"
                )

    @property
    def _names(self) -> tuple[str, str]:
        return ("own", recurrent.STATE if self.state else "messages")

    def run(self, features: np.ndarray, messages: np.ndarray | None = None) -> np.ndarray:
        """Offset (1/16 code) and scale index, int32 [N, 2].

        Parameters
        ----------
        features : uint8 [N, 20]
        messages : uint8 [N, 4, 8]
            For networks that have them; without it there are none.
        """
        self.stateless()
        return _run(self._session, self._names, self._inputs(features, messages))[0]

    def step(self, features: np.ndarray, state: np.ndarray) -> list[np.ndarray]:
        """Of a network with a state, what `run` gives, and the next state, float32 [N, S] as `state`."""
        return _run(self._session, self._names, [features, state])

    def _inputs(self, features: np.ndarray, messages: np.ndarray | None) -> list[np.ndarray]:
        if not self.has_messages:
            return [features]
        return [
            features,
            np.full((len(features), REFERENCES, INPUTS), ZERO, np.uint8) if messages is None else messages,
        ]

    def _call(self, binding: IOBinding, arrays: list[np.ndarray]) -> None:
        self._session.run_with_iobinding(binding)  # `arrays` are only held

    def stateless(self) -> Model:
        """This model, for all that codes without a state. Raises `ModelError` if it has one."""
        if self.state:
            raise ModelError(
                f"model {self.name} carries a state from step to step; only recordings coded with rANS have one. "
                "For streams and spike mode use another model"
            )
        return self

    def coarse(self, max_error: int, fineness: int = 0) -> Model:
        """This model for the bins of a bound, see `EntropyModel.coarse`, and this model itself for 0."""
        return _coarse(self, max_error, fineness) if max_error or fineness else self

    def bind(self, features: np.ndarray, output: np.ndarray, messages: np.ndarray | None = None) -> Callable[[], None]:
        """A call without arguments that computes `output` int32 [N, 2] from the others (see `run`), in place."""
        self.stateless()
        return self._bound(self._inputs(features, messages), {"distribution": output})

    def bind_step(
        self, features: np.ndarray, state: np.ndarray, output: np.ndarray, after: np.ndarray
    ) -> Callable[[], None]:
        """The like for `step`; `after`, the next state, must not share memory with `state`."""
        return self._bound([features, state], {"distribution": output, recurrent.NEXT: after})

    def _bound(self, inputs: list[np.ndarray], outputs: dict[str, np.ndarray]) -> Callable[[], None]:
        binding = self._session.io_binding()
        for name, array in zip(self._names, inputs):
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return functools.partial(self._call, binding, [*inputs, *outputs.values()])


def _session(data: bytes, optimised: bool = True) -> InferenceSession:
    """A network on one thread, to be run on the CPU."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # which is what was checked
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run(session: InferenceSession, names: tuple[str, str], inputs: list[np.ndarray]) -> list[np.ndarray]:
    return session.run(None, dict(zip(names, inputs)))


def _versions() -> str:
    ort = onnxruntime()
    return f"onnxruntime {ort.__version__} on {platform.system()} {platform.machine()}"


def _check_sum(data: bytes, identity: bytes) -> None:
    """Refuse a model that is damaged: it might work, but no other copy could decode its files."""
    head, field, tail = data.partition(CRC_FIELD)
    if field and b"%08x" % zlib.crc32(head + field + b"0" * 8 + tail[8:]) != tail[:8]:
        raise ModelError(f"model {identity.hex()} is damaged: its checksum is wrong; install it again")
