"""The scripts that run for hours, in short."""

import os
import re
import subprocess
import sys

import pytest


def run(root, name, *options):
    """Run a script; return what it prints."""
    command = [sys.executable, root / "scripts" / name, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="commands are not killed there")
def test_kills(root):
    rows = re.findall(r"^\| (\S.*?) \| +(\d+) \| +(\d+) \| +(\d+) \|$", run(root, "kills", "--kills", "5"), re.M)
    assert len(rows) == 5 and all(row[1] == "1" and row[3] == "0" for row in rows)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is not known there")
@pytest.mark.parametrize("options", [[], ["--keep", "spikes"]])
def test_soak(root, options):
    text = run(root, "soak", "--hours", "0.004", "--channels", "4", *options)
    sent, right, wrong, missing, named = map(
        int,
        re.search(
            r"(\d+) frames were sent, (\d+) came right, (\d+) wrong; (\d+) did not come, and the decoder named (\d+)",
            " ".join(text.split()),
        ).groups(),
    )
    assert missing or options  # parity restores what little spike mode loses
    assert sent > 200_000 and right > sent // 2 and wrong == 0 and missing == named == sent - right
