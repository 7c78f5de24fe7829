"""Blocks of code in the documents, and how they are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys


def blocks(text, languages="python|sh"):
    """Return language and code of each block, in their order."""
    return re.findall(rf"^```({languages})\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(command, folder, **more):
    """Run a command with this Python as `python` and its `runtime` in the path; return what it prints."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name, arguments in (("python", ""), ("runtime", "-m runtime")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        (tools / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"} | more
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
