"""Damaged files: what is whole comes back, what is lost is named, and nothing else is made of them."""

from __future__ import annotations

import os

import numpy as np
import pytest
import salvage_recipes as recipes
from vector_recipes import patched, split

import runtime
from runtime.archive.block_search import DamagedFile, Search, find_header
from runtime.archive.crc_inverse import sequence_of
from runtime.archive.salvage import salvage_file
from runtime.cli.main import main
from runtime.container import varint
from runtime.container.blocks import block_crc
from runtime.core.errors import CorruptError, FileFormatError, ModelError, UsageError

CHUNK = recipes.CHUNK


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """Coded files by kind."""
    made = {}

    def get(kind="wav"):
        if kind not in made:
            made[kind] = recipes.make(kind, tmp_path_factory.mktemp("coded"))
        return made[kind]

    return get


@pytest.fixture
def saved(tmp_path):
    """Salvage bytes into a file; what was found and the output's bytes."""

    def run(data, name="out.wav", **options):
        path, out = tmp_path / "damaged.mdo", tmp_path / name
        path.write_bytes(bytes(data))
        found = salvage_file(path, out, jobs=1, **options)
        assert path.read_bytes() == bytes(data)
        return found, recipes.contents(out)

    return run


def flipped(data, *places):
    changed = bytearray(data)
    for at in places:
        changed[at] ^= 16
    return bytes(changed)


def holes(found):
    return [(hole.start, hole.stop) for hole in found.holes]


def inside(span):
    return sum(span) // 2


def test_a_crc_tells_the_sequence_number_of_its_block():
    random = np.random.default_rng(0)
    for size in (0, 1, 5, 1000):
        sequence, header_crc = (int(value) for value in random.integers(0, 1 << 32, 2))
        payload = random.bytes(size)
        assert sequence_of(block_crc(sequence, header_crc, b"C", payload), header_crc, b"C", payload) == sequence


@pytest.mark.parametrize("kind", recipes.KINDS)
def test_an_intact_file_comes_back_as_it_was(coded, saved, kind, tmp_path):
    one = coded(kind)
    found, again = saved(one.data, "again.mdo")
    assert found.intact and again == one.data
    recipes.restore(tmp_path / "damaged.mdo", tmp_path / "again.mdo", tmp_path, "zeros")


@pytest.mark.parametrize("fill", ["zeros", "hold"])
def test_a_flipped_bit_costs_its_chunk_only(coded, saved, fill):
    one = coded()
    found, back = saved(flipped(one.data, inside(one.spans(b"C")[4])), fill=fill)
    expected = one.samples.copy()
    expected[4 * CHUNK : 5 * CHUNK] = expected[4 * CHUNK - 1] if fill == "hold" else 0
    assert holes(found) == [(4 * CHUNK, 5 * CHUNK)] and not found.damage
    assert back[44:] == expected.tobytes()


@pytest.mark.parametrize("part", range(9))
def test_every_byte_of_a_blocks_frame_costs_its_chunk_only(coded, saved, part):
    one = coded()
    start, stop = one.spans(b"C")[6]
    at = start + part if part < 5 else stop - 9 + part
    assert holes(saved(flipped(one.data, at))[0]) == [(6 * CHUNK, 7 * CHUNK)]


@pytest.mark.parametrize("more", [-40, -1, 1, 40, 3000])
def test_lost_and_added_bytes_cost_their_chunk_only(coded, saved, more):
    one = coded()
    at = inside(one.spans(b"C")[2])
    extra = np.random.default_rng(0).bytes(max(0, more))
    found, _ = saved(one.data[:at] + extra + one.data[at + max(0, -more) :])
    assert holes(found) == [(2 * CHUNK, 3 * CHUNK)]


def test_added_bytes_between_blocks_cost_nothing_but_are_named(coded, saved):
    one = coded()
    at = one.spans(b"C")[2][0]
    found, back = saved(one.data[:at] + b"C" * 50 + one.data[at:])
    assert not found.holes and found.damage and back[44:] == one.samples.tobytes()
    found, _ = saved(one.data + b"tail", force=True)
    assert not found.holes and found.damage


@pytest.mark.parametrize("kind", ["wav", "array", "array of unknown length", "records", "npy by channel"])
def test_a_cut_file_loses_its_tail_only(coded, saved, kind):
    one = coded(kind)
    found, _ = saved(one.data[: inside(one.spans(b"C")[7])], "out.mdo")
    end = one.bounds[7]
    assert found.damage
    if "unknown" in kind:
        assert (found.frames, found.holes) == (end, ())
    else:
        assert holes(found) == [(end, one.bounds[-1])] and not found.holes[0].assumed


def test_what_a_crash_left_of_a_file_comes_back(tmp_path, saved):
    samples = recipes.signal()
    writer = runtime.Writer(tmp_path / "a.mdo", 20000, recipes.CHANNELS, chunk_frames=CHUNK)
    writer.write(samples)
    writer._encode(final=False)
    writer._output.file.flush()
    (left,) = tmp_path.glob(".a.mdo.*.part")
    found = salvage_file(left, tmp_path / "out.wav")
    assert left.exists()
    writer.abort()
    assert found.frames == len(samples) - CHUNK and not found.holes and found.damage
    assert (tmp_path / "out.wav").read_bytes()[44:] == samples[:-CHUNK].tobytes()


@pytest.mark.parametrize("kind", ["wav", "no checksum", "records", "array of unknown length"])
def test_a_damaged_header_costs_nothing(coded, saved, kind):
    one = coded(kind)
    _, stop = one.spans(b"H")[0]
    for at in range(0, stop, 8):
        found, back = saved(flipped(one.data, at), "out.mdo", force=True)
        assert not found.holes and found.damage and back == one.data
    for data in (one.data[:9] + one.data[10:], one.data[:9] + b"?" + one.data[9:], one.data[1:], b"?" + one.data):
        assert saved(data, "out.mdo", force=True)[1] == one.data


def test_any_damaged_byte_of_a_header_is_mended(coded, tmp_path):
    data = coded("no checksum").data
    with open(tmp_path / "a", "w+b") as file:
        _, stop = coded("no checksum").spans(b"H")[0]
        for at in range(stop):
            for changed in (flipped(data, at), data[:at] + data[at + 1 :], data[:at] + b"H" + data[at:]):
                file.seek(0), file.truncate(), file.write(changed), file.flush()
                found = find_header(DamagedFile(file))
                assert found.header.channels == recipes.CHANNELS
                first = Search(DamagedFile(file), found).blocks()[0]
                assert (first.sequence, first.offset) == (1, len(changed) - len(data) + stop)


def test_the_second_copy_replaces_a_header_that_is_gone(coded, saved):
    one = coded()
    found, back = saved(bytes(600) + one.data[600:])
    assert holes(found)[0][0] == 0 and "second copy" in found.damage[0]
    assert back[44 + 2 * recipes.CHANNELS * found.holes[0].stop :] == one.samples[found.holes[0].stop :].tobytes()


def test_without_any_header_nothing_can_be_saved(coded, saved):
    with pytest.raises(FileFormatError, match="second copy"):
        saved(bytes(60) + coded("no checksum").data[60:])
    for data in (b"", b"\x8fMDO\x01", bytes(5000)):
        with pytest.raises(FileFormatError):
            saved(data)


@pytest.mark.parametrize("kind", ["wav", "array", "array of unknown length", "no checksum"])
@pytest.mark.parametrize("header", [False, True])
def test_without_the_index_holes_have_the_usual_length(coded, saved, kind, header):
    one = coded(kind)
    places = [inside(one.spans(b"C")[3]), inside(one.spans(b"E")[0]), *[12] * header]
    found, _ = saved(flipped(one.data, *places), "out.mdo")
    assert holes(found) == [(3 * CHUNK, 4 * CHUNK)]
    assert found.holes[0].assumed == ("unknown" in kind)
    places.append(inside(one.spans(b"C")[0]))
    found, _ = saved(flipped(one.data, *places), "out.mdo", force=True)
    assert holes(found) == [(0, CHUNK), (3 * CHUNK, 4 * CHUNK)] and found.holes[0].assumed


def test_metadata_stay_and_tell_of_holes(coded, saved, tmp_path):
    one = coded("metadata")
    found, _ = saved(flipped(one.data, inside(one.spans(b"C")[1])), "out.mdo")
    with runtime.open(tmp_path / "out.mdo") as reader:
        assert reader.metadata["annotations"] == {"place": "left", "holes": [[CHUNK, 2 * CHUNK]]}
    found, back = saved(flipped(one.data, inside(one.spans(b"J")[0])))
    assert found.damage == ("the metadata are lost",) and back[44:] == one.samples.tobytes()


def test_the_front_of_a_wav_is_kept_or_made_anew(coded, saved):
    one = coded("wav with more in it")
    found, back = saved(flipped(one.data, inside(one.spans(b"C")[1])))
    assert back[36:50] == b"note\x06\0\0\0before" and back.endswith(bytes(range(40)))
    found, back = saved(flipped(one.data, inside(one.spans(b"F")[0])), force=True)
    assert not found.holes and "header of the WAV file" in found.damage[0]
    assert back[36:40] == b"data" and back[44:] == one.samples.tobytes()
    found, back = saved(flipped(one.data, inside(one.spans(b"B")[0])), force=True)
    assert "behind the samples" in found.damage[0] and not back.endswith(bytes(range(40)))


@pytest.mark.parametrize("kind", ["npy", "npy by channel", "records", "several files"])
def test_samples_survive_the_form_of_their_original(coded, saved, kind):
    one = coded(kind)
    found, back = saved(flipped(one.data, inside(one.spans(b"F")[0])))
    assert not found.holes and "WAV" in found.damage[0]
    assert back[44:] == one.samples.astype("<i2").tobytes()


def test_records_keep_what_is_beside_their_samples(coded, saved):
    one = coded("records")
    whole = saved(one.data)[1]
    back = saved(flipped(one.data, inside(one.spans(b"C")[3])), force=True)[1]
    record, (start, stop) = 20 + 2 * 512, one.bounds[3:5]
    expected = bytearray(whole)
    assert start <= 512 < stop
    expected[16384 + record : 16384 + record + 20] = bytes(20)
    for frame in range(start, stop):
        at = 16384 + frame // 512 * record + 20 + 2 * (frame % 512)
        expected[at : at + 2] = bytes(2)
    assert back == bytes(expected)


def test_other_signals_survive_beside_lost_ones(coded, saved):
    one = coded("records with other signals")
    whole = saved(one.data)[1]
    found, back = saved(flipped(one.data, inside(one.spans(b"C")[1])), force=True)
    assert holes(found) == [(400, 800)] and len(found.damage) == 0
    record = 2 * (100 * 2 + 50 * 2 + 9)
    front = len(whole) - 16 * record
    assert back == whole[: front + 4 * record] + bytes(4 * record) + whole[front + 8 * record :]


def test_other_signals_that_do_not_decode_become_zeros(coded, saved):
    one = coded("records with other signals")
    whole = saved(one.data)[1]
    chunk = next(payload for tag, payload in split(one.data) if tag == b"C")
    at = len(chunk) - 4 - int.from_bytes(chunk[-4:], "little")
    length, at = varint.parse(chunk, at)
    assert length > 20
    record = np.frombuffer(whole, np.uint8)[-16 * 618 :].reshape(16, 618).copy()
    record[:4, 200:218] = record[:4, 418:] = 0
    for place in (at, at + 6):  # the number of frames, the checksum of the samples
        damaged = patched(one.data, b"C", place, bytes([chunk[place] ^ 1]))
        found, back = saved(damaged, force=True)
        assert not found.holes and "beside the samples are lost from frame 0" in found.damage[0]
        assert back[-16 * 618 :] == record.tobytes()
        assert saved(damaged, "again.mdo", force=True)[0].damage[0] == found.damage[0]


def test_several_files_come_back(coded, saved):
    one = coded("several files")
    found, back = saved(flipped(one.data, inside(one.spans(b"C")[0])), "folder")
    assert sorted(back) == [f"{channel}.wav" for channel in range(recipes.CHANNELS)]
    assert back["1.wav"][44 + 2 * CHUNK :] == one.samples[CHUNK:, 1].tobytes()


def test_a_file_that_is_kept_comes_back(tmp_path, saved):
    (tmp_path / "notes.txt").write_bytes(data := np.random.default_rng(0).bytes(3000))
    runtime.encode_file(tmp_path / "notes.txt", tmp_path / "a.mdo")
    stored = (tmp_path / "a.mdo").read_bytes()
    assert saved(flipped(stored, 20), "out.txt")[1] == data
    found, back = saved(flipped(stored, len(stored) // 2), "out.txt", force=True)
    assert back == b"" and "behind the samples" in found.damage[0]


def test_a_model_of_its_own_is_needed(tmp_path, saved, root):
    model = root / "tests" / "vectors" / "model.onnx"
    runtime_model = model.read_bytes()
    samples = recipes.signal()
    data = runtime.encode(samples, 20000, model=runtime_model, embed_model=True, chunk_frames=CHUNK, sha256=True)
    hole = flipped(data, len(data) - 500)
    assert len(saved(hole)[0].holes) == 1
    with pytest.raises(ModelError, match="refused"):
        saved(hole, force=True, embedded_model=False)
    lost = flipped(hole, 200)
    with pytest.raises(ModelError, match="lost"):
        saved(lost, force=True)
    found, _ = saved(lost, "out.mdo", model=model)
    assert len(found.holes) == 1 and "model" in found.damage[0]
    assert runtime.decode((tmp_path / "out.mdo").read_bytes())[0].shape == samples.shape


def test_chunks_with_other_samples_than_their_checksum_are_holes(coded, saved, monkeypatch):
    from runtime.batch import codings

    one = coded()
    start, stop = one.spans(b"C")[5]
    bad, decode = one.data[start + 5 : stop - 4], codings.decode

    def refuse(tasks, model):
        if any(task.payload == bad for task in tasks):
            raise CorruptError("sample crc")
        return decode(tasks, model)

    monkeypatch.setattr(codings, "decode", refuse)
    assert holes(saved(one.data, "out.mdo")[0]) == [(5 * CHUNK, 6 * CHUNK)]


def test_no_file_is_overwritten(coded, saved, tmp_path):
    one = coded()
    saved(one.data)
    with pytest.raises(UsageError, match="exists"):
        saved(one.data)
    for target in ("damaged.mdo", "."):
        with pytest.raises(UsageError):
            salvage_file(tmp_path / "damaged.mdo", tmp_path / target, force=True)
    assert (tmp_path / "damaged.mdo").read_bytes() == one.data
    os.link(tmp_path / "damaged.mdo", tmp_path / "link.wav")
    with pytest.raises(UsageError, match="its own output"):
        salvage_file(tmp_path / "damaged.mdo", tmp_path / "link.wav", force=True)


def test_the_command_names_what_is_lost(coded, tmp_path, capsys):
    one, path = coded(), tmp_path / "a.mdo"
    path.write_bytes(one.data)
    assert main(["salvage", str(path), "-o", str(tmp_path / "a.wav")]) == 0
    assert f"intact: {CHUNK * 12} frames" in capsys.readouterr().err
    path.write_bytes(flipped(one.data, inside(one.spans(b"C")[2]), inside(one.spans(b"C")[3])))
    assert main(["salvage", str(path), "-o", str(tmp_path / "a.wav"), "-f", "--fill", "hold"]) == 1
    printed = capsys.readouterr().err
    assert "lost: frames 200 to 399 of all 2 channels, 0.010000 s to 0.020000 s" in printed
    assert "1000 of 1200 frames were saved" in printed
    path.write_bytes(b"something else")
    assert main(["salvage", str(path), "-o", str(tmp_path / "b.wav")]) == 1
    assert main(["salvage", "-", "-o", str(tmp_path / "b.wav")]) == 2
    assert not (tmp_path / "b.wav").exists()


def test_frames_that_are_there_are_not_said_to_be_all(coded, tmp_path, capsys):
    one, path = coded("array of unknown length"), tmp_path / "a.part"
    path.write_bytes(one.data[: one.spans(b"C")[-1][1]])
    assert main(["salvage", str(path), "-o", str(tmp_path / "b.mdo")]) == 1
    printed = capsys.readouterr().err
    assert "how much was in it is not known" in printed
    assert f"all {CHUNK * 12} frames that are there were saved" in printed


def test_a_chunk_that_looks_like_bytes_behind_the_samples_is_none(coded, saved):
    one = coded("wav with more in it")
    tags = [start for start, _ in one.spans(b"C")[10:]]
    data = bytearray(one.data)
    for at in tags:
        data[at] ^= 1  # C becomes B
    found, _ = saved(data)
    assert holes(found) == [(10 * CHUNK, 12 * CHUNK)] and not found.damage


@pytest.mark.parametrize("seed", range(30))
def test_exactly_the_whole_chunks_come_back(coded, tmp_path, seed):
    random = np.random.default_rng(seed)
    one = coded(recipes.KINDS[seed % len(recipes.KINDS)])
    damaged = recipes.damage(one, recipes.DAMAGES[random.integers(len(recipes.DAMAGES))], random)
    recipes.check(one, damaged, tmp_path, ("zeros", "hold")[seed % 2], both=seed % 3 == 0)


def test_what_was_lost_before_stays_named(tmp_path):
    samples = np.cumsum(np.random.default_rng(8).integers(-9, 10, (6000, 2)), axis=0).astype(np.int16)
    data = runtime.encode(samples, 1000, chunk_frames=1000, metadata={"annotations": {"rat": 7}})
    found = [(0, 0)]
    for number in (1, 3, 2):
        with runtime.open(data) as reader:
            payload = list(reader.payloads())[number]
        at = data.index(payload) + len(payload) // 2
        (tmp_path / "x.mdo").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        found = runtime.salvage_file(tmp_path / "x.mdo", tmp_path / "y.mdo", force=True).holes
        assert [(hole.start, hole.stop) for hole in found] == [(number * 1000, number * 1000 + 1000)]
        data = (tmp_path / "y.mdo").read_bytes()
        about = runtime.open(data).metadata["annotations"]
        assert about["rat"] == 7
    assert about["holes"] == [[1000, 4000]]
    with runtime.open(data) as reader:
        assert np.array_equal(reader.mask(500, 4500)[:, 0], np.r_[[True] * 500, [False] * 3000, [True] * 500])
        assert reader.mask(1500, 1600).any() == reader.mask(0, 0).any() == False  # noqa: E712
