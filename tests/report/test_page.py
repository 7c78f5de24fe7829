"""The page of `runtime report`: it stands alone, is small, and its verdict is right."""

import hashlib
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed; it is the extra `report`")

from PIL import Image  # noqa: E402

import runtime  # noqa: E402
from runtime.cli.main import main  # noqa: E402
from runtime.report import markup, words  # noqa: E402
from runtime.report.findings import gather  # noqa: E402

RATE = 20_000
PROBE = {"contact_positions": [[20 * (i % 2), 25 * i] for i in range(7)], "device_channel_indices": list(range(7))}
METADATA = {"channel_ids": [f"E{i}" for i in range(8)], "gain_to_uV": 0.195, "probe": PROBE}


@pytest.fixture(scope="module")
def array():
    """Eight channels with faults: 2 is dead, 3 equals 1, 4 hums, 5 is clipped; 7 is on no contact."""
    random = np.random.default_rng(5)
    frames = 8000
    samples = random.normal(0, 30, (frames, 8)) + random.normal(0, 20, (frames, 1))
    samples[500::1000] -= 400
    samples[:, 4] += 300 * np.sin(2 * np.pi * 50 * np.arange(frames) / RATE)
    samples[2000:2200, 5] = -1000
    samples = np.clip(np.rint(samples), -500, 500).astype(np.int16)
    samples[:, 2] = 7
    samples[:, 3] = samples[:, 1]
    return samples


@pytest.fixture(scope="module")
def folder(array, tmp_path_factory):
    """The recording as a raw file, and coded without loss, with a bound, and in spike mode."""
    made = tmp_path_factory.mktemp("report")
    array.tofile(made / "a.bin")
    given = {"channels": 8, "sample_rate": RATE, "metadata": METADATA}
    for name, fields in (("a", {}), ("bounded", {"max_error": 5}), ("spikes", {"keep": "spikes"})):
        runtime.encode_file(made / "a.bin", made / f"{name}.mdo", **given, **fields)
    return made


def report(folder, *arguments):
    """Make a page. Gives the exit code and the page."""
    code = main(["report", "-q", "-f", "-o", str(folder / "page.html"), *map(str, arguments)])
    return code, (folder / "page.html").read_text(encoding="utf-8")


def judged(path, original=None):
    """Exit code, state, title and lines of the verdict."""
    found = gather(str(path), None if original is None else str(original)).verdict
    return found.exit_code, found.state, found.title, " ".join(found.lines)


def test_a_lossless_file(folder, array):
    code, page = report(folder, folder / "a.mdo")
    assert code == 0 and '<section class="card verdict good"><h3>Lossless and verified</h3>' in page
    assert hashlib.sha256(array.tobytes()).hexdigest() in page
    for title in ("Sizes", "Channels on the probe", "Bits over time", "Signal and residual", "Spectrum and noise"):
        assert f"<h3>{title}</h3>" in page
    assert "FLAC -8" in page and "zstd" in page and "WavPack" in page
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.bin",
        "a.mdo",
        "bounded.mdo",
        "page.html",
        "spikes.mdo",
    ]
    assert "µV" in page and "Spikes before and after" not in page


@pytest.mark.slow
def test_it_stands_alone_and_is_small(folder):
    _, page = report(folder, folder / "bounded.mdo", "--original", folder / "a.bin")
    assert "Spikes before and after" in page
    assert "http" not in page and "<script" not in page and "url(" not in page and "@import" not in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert sources and all(source.startswith("data:image/webp;base64,") for source in sources)
    assert len(page.encode()) < markup.MOST_BYTES


@pytest.mark.slow
def test_faults_are_named(folder):
    _, page = report(folder, folder / "a.mdo")
    assert "Dead (one value only): E2." in page
    assert "Duplicated (equal to another channel): E3 = E1." in page
    assert re.search(r"Saturated \(.*?\): E5\.", page)
    assert re.search(r"Humming at 50 Hz, .*?: E4\.", page)
    assert "On no contact of the probe, and not drawn: E7." in page


def test_a_bounded_file_of_records_is_compared(tmp_path):
    """Its header and record labels are in the way of whoever takes it for bare samples."""
    samples = np.random.default_rng(2).normal(0, 300, (4000, 2)).round().astype("<i2")
    original = tmp_path / "a.bin"
    original.write_bytes(b"header" * 5 + samples.tobytes() + b"x")
    assert main(["encode", "-q", str(original), "--channels", "2", "--skip", "30", "--max-error", "3"]) == 0
    code, state, _, lines = judged(tmp_path / "a.mdo", original)
    assert (code, state) == (0, "lossy") and "the largest error is 3" in lines
    original.write_bytes(original.read_bytes()[:9000])
    assert judged(tmp_path / "a.mdo", original)[:2] == (1, "bad")
    assert judged(tmp_path / "a.mdo", tmp_path / "nowhere.bin")[:2] == (1, "bad")


def test_the_original_is_compared(folder, array, tmp_path):
    code, state, title, lines = judged(folder / "a.mdo", folder / "a.bin")
    assert (code, state, title) == (0, "good", "Lossless and verified") and "equal, byte for byte" in lines
    other = array.copy()
    other[100:103, 2] += 1
    other.tofile(tmp_path / "other.bin")
    code, state, title, lines = judged(folder / "a.mdo", tmp_path / "other.bin")
    assert (code, state, title) == (1, "bad", "Intact, but not equal to the given original")
    assert "other.bin differs in 3 of 64,000 samples" in lines
    array[:10].tofile(tmp_path / "short.bin")
    code, *_, lines = judged(folder / "a.mdo", tmp_path / "short.bin")
    assert code == 1 and "it has 8 channels of 10 frames, not 8 of 8000" in lines
    code, *_, lines = judged(folder / "a.mdo", tmp_path / "nothing.bin")
    assert code == 1 and "No such file" in lines


def test_samples_of_another_file_are_compared(array, tmp_path):
    (tmp_path / "a.mdo").write_bytes(runtime.encode(array, RATE))
    np.save(tmp_path / "a.npy", array)
    code, state, title, _ = judged(tmp_path / "a.mdo", tmp_path / "a.npy")
    assert (code, state, title) == (0, "good", "Lossless and verified: the samples are equal")


def test_a_bound_is_measured(folder, array):
    code, state, title, lines = judged(folder / "bounded.mdo", folder / "a.bin")
    assert (code, state, title) == (0, "lossy", "Near-lossless: every sample within 5 of the original")
    decoded, _ = runtime.decode((folder / "bounded.mdo").read_bytes())
    rms = np.sqrt(((decoded - array.astype(float)) ** 2).mean())
    assert f"the largest error is 5; {100 * (decoded == array).mean():.1f} % of all samples are exact" in lines
    assert f"the error is {rms:.4g} rms" in lines
    assert "Give --original to measure what was lost." in judged(folder / "bounded.mdo")[-1]


def test_a_broken_promise_is_told(folder, array, tmp_path):
    other = array.copy()
    other[50, 0] += 20
    other.tofile(tmp_path / "other.bin")
    code, state, _, lines = judged(folder / "bounded.mdo", tmp_path / "other.bin")
    assert code == 1 and state == "bad" and "where the file promises 5 at most" in lines


def test_spike_mode(folder):
    code, state, title, lines = judged(folder / "spikes.mdo", folder / "a.bin")
    assert (code, state, title) == (0, "lossy", "Spike mode: only windows around spikes are kept")
    assert re.search(r"the largest error is \d in the windows", lines)


def test_a_damaged_file(folder, tmp_path):
    data = bytearray((folder / "a.mdo").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.mdo").write_bytes(data)
    code, state, title, lines = judged(tmp_path / "damaged.mdo")
    assert (code, state, title) == (1, "bad", "Damaged") and "In front of the damage are 0 frames" in lines
    (tmp_path / "nothing.mdo").write_bytes(b"nothing")
    code, state, title, lines = judged(tmp_path / "nothing.mdo")
    assert (code, state, title) == (1, "bad", "Not a coded file") and "Nothing of it can be read." in lines
    with runtime.Writer(tmp_path / "two.mdo", RATE, 1, chunk_frames=4000) as writer:
        writer.write(np.arange(8000, dtype=np.int16)[:, None] // 9)
    two = bytearray((tmp_path / "two.mdo").read_bytes())
    with runtime.open(tmp_path / "two.mdo") as reader:
        at = two.index(list(reader.payloads())[1])
    two[at + 9] ^= 1
    (tmp_path / "two.mdo").write_bytes(two)
    assert "In front of the damage are 4,000 frames (0.200 s)" in judged(tmp_path / "two.mdo")[-1]
    code, page = report(tmp_path, tmp_path / "damaged.mdo")
    assert code == 1 and '<section class="card verdict bad"><h3>Damaged</h3>' in page


def test_a_file_whose_model_is_missing(folder, monkeypatch):
    monkeypatch.setattr("runtime.predictor.model.available", lambda: [])
    code, state, title, _ = judged(folder / "a.mdo")
    assert (code, state, title) == (3, "bad", "Not decoded: its model is missing")


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32"])
def test_other_types(dtype, array, tmp_path):
    samples = (array[:3000] // 5 + 128).astype(dtype)
    (tmp_path / "a.mdo").write_bytes(runtime.encode(samples, RATE))
    assert judged(tmp_path / "a.mdo")[:3] == (0, "good", "Lossless and verified")


def test_one_file_for_each_channel(array, tmp_path):
    (tmp_path / "original").mkdir()
    names = [tmp_path / "original" / f"c{i}.npy" for i in (1, 0)]
    for path, column in zip(names, array.T):
        np.save(path, column)
    runtime.encode_files(names, array=True, output=tmp_path / "a.mdo", sample_rate=RATE, keep="spikes")
    found = gather(str(tmp_path / "a.mdo"), str(tmp_path / "original"))
    assert found.verdict.state == "lossy" and "in the windows" in " ".join(found.verdict.lines)
    assert found.faults is not None and not found.faults.dead
    alone = gather(str(tmp_path / "a.mdo"))
    assert alone.faults is None and "nothing tells whether channels are dead" in " ".join(words.channels(alone))
    assert sorted(found.verdict.digests) == ["c0.npy", "c1.npy"] and found.spikes["spikes"] > 0


@pytest.mark.slow
def test_several_files_have_a_table_and_a_budget(folder, monkeypatch):
    code, page = report(folder, folder / "a.mdo", folder / "bounded.mdo")
    assert code == 0 and page.count('<section class="card verdict') == 2
    assert '<a href="#f1">bounded.mdo</a>' in page
    monkeypatch.setattr(markup, "MOST_BYTES", 150_000)
    _, page = report(folder, folder / "a.mdo", folder / "bounded.mdo")
    assert len(page.encode()) < 150_000 and "Figures are left out" in page
    monkeypatch.setattr(markup, "MOST_BYTES", 11_000)
    _, page = report(folder, *3 * [folder / "a.mdo"], folder / "bounded.mdo")
    assert len(page.encode()) < 11_000 and "files there is only the line in this table" in page


@pytest.mark.slow
@pytest.mark.parametrize("samples", [np.zeros((0, 2), np.int16), np.full((50, 3), 9, np.int16), np.arange(40)[:, None]])
def test_hardly_any_samples(samples, tmp_path):
    (tmp_path / "a.mdo").write_bytes(runtime.encode(samples.astype(np.int16), 0, layout="time-channel"))
    code, page = report(tmp_path, tmp_path / "a.mdo")
    assert code == 0 and "verdict good" in page and "<h3>What it is</h3>" in page


@pytest.mark.slow
def test_names_can_not_break_the_page(array, tmp_path):
    metadata = {"channel_ids": ["<script>", *range(7)], "annotations": {"<b>": "<i>"}}
    name = tmp_path / "a<img src=x>.mdo"
    name.write_bytes(runtime.encode(array, RATE, metadata=metadata))
    _, page = report(tmp_path, name)
    assert "<script" not in page and "<img src=x" not in page and "<b><i>" not in page


def test_usage(folder, tmp_path, capsys):
    assert main(["report", str(folder / "a.mdo"), str(folder / "a.mdo"), "-o", "x.html", "--original", "y"]) == 2
    assert "--original is for one file" in capsys.readouterr().err
    assert main(["report", str(folder / "a.mdo"), "-f", "-o", str(folder / "a.mdo")]) == 2
    assert "overwritten" in capsys.readouterr().err
    assert main(["report", str(folder / "a.mdo"), "-o", str(tmp_path / "nowhere" / "page.html")]) == 2
    assert "there is no folder for" in capsys.readouterr().err
    assert main(["report", "-", "-o", "x.html"]) == 2
    assert "standard input" in capsys.readouterr().err
    (tmp_path / "page.html").touch()
    assert main(["report", str(folder / "a.mdo"), "-o", str(tmp_path / "page.html")]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nothing.mdo"), "-o", str(tmp_path / "other.html")]) == 2
    assert "nothing.mdo: No such file" in capsys.readouterr().err
    assert not (tmp_path / "other.html").exists()


def test_the_message_without_matplotlib(folder, tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\nfrom runtime.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    arguments = ["report", str(folder / "a.mdo"), "-o", str(tmp_path / "page.html")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "runtime: report needs matplotlib: pip install 'middleout[report]'"


def test_other_commands_do_not_import_matplotlib(folder):
    code = (
        "import sys\nfrom runtime.cli.main import main\n"
        "main(['info', sys.argv[1]])\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / "a.mdo")], check=True, capture_output=True)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.mark.slow
def test_a_browser_shows_it(folder, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no browser: none of " + ", ".join(BROWSERS) + " is installed")
    report(folder, folder / "a.mdo")
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,3600"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    command = [browser, *options, (folder / "page.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)})
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert pixels.shape == (3600, 1100, 3)
    white, green = (pixels.min(axis=2) > 250).mean(), (pixels[:400, :60] == (0x2E, 0x7D, 0x4F)).all(axis=2).sum()
    assert white > 0.3 and green > 100, "cards, and the edge of a good verdict"
    rows = (np.ptp(pixels.max(axis=2) - pixels.min(axis=2), axis=1) > 60).mean()
    assert rows > 0.2, "figures in colour"
