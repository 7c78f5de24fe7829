"""What released versions wrote decodes as it did then; models and conformance vectors stay as they were."""

import conformance
import golden_files as golden
import pytest

FILES = [(version, name) for version in golden.versions() for name in golden.manifest(version)["files"]]


@pytest.mark.parametrize("version, name", FILES)
def test_files_decode_as_they_did(version, name, engine):
    if name.endswith(".numcodecs"):
        pytest.importorskip("numcodecs")
    path, entry = golden.FOLDER / version / name, golden.manifest(version)["files"][name]
    assert conformance.sha256(path.read_bytes()) == entry["file"]
    assert conformance.sha256(golden.decoded(path)) == entry["decoded"]


@pytest.mark.parametrize("version", golden.versions())
def test_no_file_is_gone(version):
    folder = golden.FOLDER / version
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *golden.manifest(version)["files"]}


@pytest.mark.parametrize("version", golden.versions())
def test_models_are_never_withdrawn_or_changed(version):
    assert golden.manifest(version)["models"].items() <= golden.models().items()


@pytest.mark.parametrize("version", golden.versions())
def test_vectors_are_never_changed(version):
    assert golden.manifest(version)["vectors"].items() <= golden.vectors().items()
