"""The scripts of `runtime completion`."""

import shutil
import subprocess
import sys

import pytest

from runtime.cli.completion import _FILES, _FOLDERS, SHELLS, _actions
from runtime.cli.main import _parser, main


@pytest.fixture(params=SHELLS)
def shell(request):
    pytest.importorskip("shtab", reason="shtab is not installed; it is the extra `completion`")
    return request.param


def test_commands_and_options_are_in_it(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("encode", "report", "calibrate", "channel-time", "max-error"):
        assert word in script


def test_the_shell_takes_it(shell, capsys, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    main(["completion", shell])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True, timeout=60)


@pytest.mark.parametrize(
    "line, expected",
    [("runtime de", "decode"), ("runtime encode --max", "--max-error"), ("runtime test re", "rec.mdo")],
)
def test_bash_completes(line, expected, capsys, tmp_path):
    pytest.importorskip("shtab", reason="shtab is not installed; it is the extra `completion`")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    main(["completion", "bash"])
    (tmp_path / "rec.mdo").touch()
    words = line.split()
    ask = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _shtab_runtime runtime {words[-1]} {words[-2]}\n"
    code = f'{capsys.readouterr().out}\n{ask}printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert expected in done.stdout.split(), done.stderr


def test_all_paths_are_known():
    """Words and numbers are not completed; everything else that an option takes is a path."""
    others = {"N", "BITS", "E", "WHAT", "K", "BEFORE,AFTER", "HZ", "LENGTH", "I/N", "FRAMES", "SECONDS", "NUMBER"}
    others |= {"spikes[,lfp]", "COMMAND", "BYTES", "MS"}
    named = {action.metavar for action in _actions(_parser()) if isinstance(action.metavar, str)}
    assert named - others == {*_FILES, *_FOLDERS}


def test_the_message_without_shtab(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert capsys.readouterr().err == "runtime: completion needs shtab: pip install 'middleout[completion]'\n"
