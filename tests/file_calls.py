"""Files through the command line, and back."""

import os

import numpy as np

from runtime.cli import main as cli


def main(*arguments):
    """Run the command in this process."""
    return cli.main([str(argument) for argument in arguments])


def there_and_back(path, *options):
    """Encode a file, check, decode it elsewhere; the folder of the coded file (`c`) and the original (`o`)."""
    folder = path.parent
    assert main("encode", "-q", path, "-d", folder / "c", *options) == 0
    coded = folder / "c" / (path.stem + ".mdo")
    assert main("test", "-q", coded) == 0
    assert main("decode", "-q", coded, "-d", folder / "o") == 0
    back = folder / "o" / path.name
    assert os.listdir(folder / "o") == [path.name]
    assert back.read_bytes() == path.read_bytes()
    assert back.stat().st_mtime_ns == path.stat().st_mtime_ns
    return coded


def two_of_one_name(folder):
    """Make two recordings of one name and one time of modification, all 0 and all 1; returns their paths."""
    paths = [folder / name / "x.npy" for name in "ab"]
    for value, path in enumerate(paths):
        path.parent.mkdir()
        np.save(path, np.full((3000, 2), value, np.int16))
        os.utime(path, ns=(10**18, 10**18))
    return paths
