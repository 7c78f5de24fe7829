"""Models: one ONNX file each, with all tables in its metadata (docs/format.md section 9)."""

from __future__ import annotations

import base64
import copy
import functools
import platform
import zlib
from pathlib import Path

import numpy as np

from .blob import ZSTD, parse_blob
from .entropy_model import SCALES, TABLE, EntropyModel, Tables
from .errors import CorruptError, ModelError
from .features import FEATURES
from .limits import MAX_MODEL_BYTES
from .messages import INPUTS, ZERO
from .records import identity_of
from .side_information import PEERS
from .symbol_search import GuessTables

DEFAULT, ARRAYS = "n1", "a1"
"""The models for leads of the implant, and for other devices and leads that hear each other much (see `choice`)."""
_COARSE, _COARSE_FROM = "b1", 5
"""The model trained on coarse histories, and the bound from which on it is the better one (docs/models.md)."""
FORMAT = "1"

_EXTERNAL = b"\x0a\x08location"
"""What a tensor whose data lie in another file has in its serialised form: an entry with this key."""
_INPUTS = ("own", "peers")
_LEVELS = 1025
_MAX_SHAPES = 64

CRC_FIELD = b"\x0a\x0dmiddleout.crc\x12\x08"
"""What is in front of the checksum in a model file: its name and lengths as protobuf has them."""


def _folders() -> list[Path]:
    here = Path(__file__).resolve().parent
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


def load(source: str | Path | bytes = DEFAULT) -> Model:
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
        data = path.read_bytes()
        if identity_of(data) == identity:
            return _load(data)
    raise ModelError(
        f"the file was made with model {identity.hex()}, which is not here; supply it with --model PATH "
        "(whoever made the file has it, or can encode with --embed-model)"
    )


@functools.lru_cache(maxsize=8)
def _load(data: bytes) -> Model:
    return Model(data)


class Model:
    """A loaded model.

    Attributes
    ----------
    data : bytes
        The file.
    identity : bytes
        First 16 bytes of its SHA-256.
    name : str
    hears : bool
        Whether the network hears peers.
    entropy : EntropyModel
    guesses : GuessTables
    """

    def __init__(self, data: bytes):
        self.data = data
        self.identity = identity_of(data)
        _check_sum(data, self.identity)
        try:
            self._session = _session(data)
            metadata = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # onnxruntime's errors have no public base class
            raise ModelError(f"model {self.identity.hex()} can't be loaded: {error}") from error
        if metadata.get("middleout.format") != FORMAT or "middleout.crc" not in metadata:
            raise ModelError(f"model {self.identity.hex()} is not a middleout model of format {FORMAT}")
        self.name = metadata.get("middleout.name", "unnamed")
        self._check_interface()
        tables = _parse_tables(metadata)
        self.entropy = EntropyModel(tables)
        self.guesses = GuessTables(self.entropy)
        self._coarse: dict[tuple[int, int], Model] = {(0, 0): self}
        self._check_answers(*_parse_answers(metadata, FEATURES + self.hears * PEERS * INPUTS))

    def _check_interface(self) -> None:
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = [(node.name, node.type, node.shape[1:]) for node in (*inputs, *outputs)]
        self.hears = len(inputs) == 2
        expected = [("own", "tensor(uint8)", [FEATURES]), ("peers", "tensor(uint8)", [PEERS, INPUTS])]
        expected = expected[: 1 + self.hears] + [("distribution", "tensor(int32)", [2])]
        if found != expected:
            raise ModelError(f"model {self.name} does not have the inputs and outputs of format {FORMAT}: {found}")

    def _check_answers(self, features: np.ndarray, expected: np.ndarray) -> None:
        for rows in (len(features), 3, 1):
            wrong = (self.run(*_split(features[:rows])) != expected[:rows]).any(axis=1)
            if wrong.any():
                plain = _run(_session(self.data, optimised=False), *_split(features))
                cause = "its graph optimiser is" if np.array_equal(plain, expected) else "its kernels are"
                raise ModelError(
                    f"model {self.name} gives other results on this machine: {wrong.sum()} of {rows} known answers are "
                    f"wrong, so that nothing would be coded exactly. {_versions()}: {cause} to blame. Please report "
                    "this, and try another version of onnxruntime"
                )

    def run(self, features: np.ndarray, peers: np.ndarray | None = None) -> np.ndarray:
        """Offset (1/16 code) and scale index, int32 [N, 2].

        Parameters
        ----------
        features : uint8 [N, 20]
        peers : uint8 [N, 4, 8]
            For networks that hear peers; without it there are none.
        """
        return _run(self._session, *self._inputs(features, peers))

    def _inputs(self, features: np.ndarray, peers: np.ndarray | None) -> list[np.ndarray]:
        if not self.hears:
            return [features]
        return [features, np.full((len(features), PEERS, INPUTS), ZERO, np.uint8) if peers is None else peers]

    def _call(self, binding, inputs: list[np.ndarray]) -> None:
        self._session.run_with_iobinding(binding)  # `inputs` are only held

    def coarse(self, max_error: int, fineness: int = 0) -> Model:
        """This model for the bins of a bound, see `EntropyModel.coarse`; kept, and this model itself for 0."""
        key = (max_error, fineness)
        if key not in self._coarse:
            made = copy.copy(self)
            made.entropy = self.entropy.coarse(max_error, fineness)
            made.guesses = GuessTables(made.entropy)
            self._coarse[key] = made
        return self._coarse[key]

    def bind(self, features: np.ndarray, output: np.ndarray, peers: np.ndarray | None = None):
        """A call without arguments that computes `output` int32 [N, 2] from the others (see `run`), in place."""
        binding, inputs = self._session.io_binding(), self._inputs(features, peers)
        for name, array in zip(_INPUTS, inputs):
            binding.bind_input(name, "cpu", 0, np.uint8, array.shape, array.ctypes.data)
        binding.bind_output("distribution", "cpu", 0, np.int32, output.shape, output.ctypes.data)
        return functools.partial(self._call, binding, inputs)


def _session(data: bytes, optimised: bool = True):
    """A network on one thread, to be run on the CPU."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run(session, *inputs: np.ndarray) -> np.ndarray:
    return session.run(None, dict(zip(_INPUTS, inputs)))[0]


def _split(rows: np.ndarray) -> list[np.ndarray]:
    """The network's inputs from rows of known answers: features, and behind them what peers say."""
    parts = [rows[:, :FEATURES], rows[:, FEATURES:].reshape(len(rows), -1, INPUTS)]
    return [np.ascontiguousarray(part) for part in parts if part.size]


def _versions() -> str:
    import onnxruntime as ort

    return f"onnxruntime {ort.__version__} on {platform.system()} {platform.machine()}"


def _check_sum(data: bytes, identity: bytes) -> None:
    """Refuse a model that is damaged: it might work, but nobody could decode its streams."""
    if _EXTERNAL in data:
        raise ModelError(f"model {identity.hex()} refers to data outside of its file, which is refused")
    head, field, tail = data.partition(CRC_FIELD)
    if field and b"%08x" % zlib.crc32(head + field + b"0" * 8 + tail[8:]) != tail[:8]:
        raise ModelError(f"model {identity.hex()} is damaged: its checksum is wrong; install it again")


def _blob(metadata: dict[str, str], key: str) -> bytes:
    try:
        return parse_blob(ZSTD, base64.b64decode(metadata[key], validate=True), MAX_MODEL_BYTES)
    except (KeyError, ValueError, CorruptError) as error:
        raise ModelError(f"the model's {key} is missing or damaged") from error


def _parse_tables(metadata: dict[str, str]) -> Tables:
    blob = _blob(metadata, "middleout.tables")
    head = 4 * _LEVELS + SCALES + 4 * SCALES + 4
    shapes = int.from_bytes(blob[head - 4 : head], "little")
    if not 1 <= shapes <= _MAX_SHAPES or len(blob) != head + 4 * shapes * TABLE:
        raise ModelError("the model's tables have the wrong size")
    levels = np.frombuffer(blob, "<i4", _LEVELS)
    shape = np.frombuffer(blob, np.uint8, SCALES, 4 * _LEVELS)
    multiplier = np.frombuffer(blob, "<i4", SCALES, 4 * _LEVELS + SCALES)
    second = np.frombuffer(blob, "<i4", shapes * TABLE, head).reshape(shapes, TABLE)
    cumulative = np.cumsum(np.cumsum(second, axis=1, dtype=np.int64), axis=1)
    tables = Tables(levels, shape, multiplier, cumulative)
    if problem := tables.problem():
        raise ModelError(f"the model's tables are wrong: {problem}")
    return tables


def _parse_answers(metadata: dict[str, str], size: int) -> tuple[np.ndarray, np.ndarray]:
    blob = _blob(metadata, "middleout.answers")
    count = int.from_bytes(blob[:4], "little")
    if count < 1 or len(blob) != 4 + count * (size + 8):
        raise ModelError("the model's known answers have the wrong size")
    features = np.frombuffer(blob, np.uint8, count * size, 4).reshape(count, size)
    expected = np.frombuffer(blob, "<i4", count * 2, 4 + count * size).reshape(count, 2)
    return np.ascontiguousarray(features), expected
