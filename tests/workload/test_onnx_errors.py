"""Files that cannot be read, and sizes that nobody gave: the exact text."""

from __future__ import annotations

from pathlib import Path

import pytest

from picojoule.errors import SpecError
from picojoule.workload.load import load_model
from tests.workload.onnx_models import node, save

DENSE = [node("MatMul", "x w", "y", name="dense")]


def refused(path: Path, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        load_model(str(path), **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def test_a_missing_file(tmp_path: Path) -> None:
    text = "no such file\nhint: check the path; `pj models` lists the models that come along"
    assert refused(tmp_path / "none.onnx") == text


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").mkdir()
    assert refused(tmp_path / "net.onnx") == "this is a folder\nhint: name the .onnx file inside it"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty\nhint: export or download it again"),
        (b"\x00\x01 garbage" * 20, "this is no ONNX model\nhint: the file is damaged or of another format"),
        (b"PK\x03\x04" + bytes(range(256)), "this is no ONNX model\nhint: the file is damaged or of another format"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "this is a Git LFS pointer, not the model\nhint: run `git lfs pull` in its repository",
        ),
        (b"\x08\x08", "the model holds no operators\nhint: the file is damaged, or was cut short"),
    ],
)
def test_a_damaged_file(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert refused(path) == expected


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": (2, 300)}, "y", weights={"w": (300, 40)})
    path.write_bytes(path.read_bytes()[:-1000])
    assert "\nhint: the file is damaged" in refused(path)


def test_symbolic_sizes_are_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": ("N", "length", None, 3)}, "y", weights={"w": (3, 4)})
    assert refused(path) == (
        "the model leaves sizes open: N of 'x', length of 'x', x[2] of 'x'\n"
        "hint: give --dim N=N --dim length=N --dim 'x[2]'=N; --batch N gives N"
    )
    assert refused(path, batch=2, dims={"x[2]": 5}) == ("the model leaves sizes open: length of 'x'\nhint: give --dim length=N")
    network = load_model(str(path), batch=2, dims={"length": 7, "x[2]": 5})
    assert network.macs == 2 * 7 * 5 * 12


def test_a_symbol_means_the_same_size_in_every_input(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x z", "y")]
    path = save(tmp_path, nodes, {"x": ("N", 2, "k"), "z": ("N", "k", 3)}, "y")
    assert load_model(str(path), dims={"N": 4, "k": 5}).macs == 4 * 2 * 3 * 5
    assert load_model(str(path), batch=4, dims={"k": 5}).macs == 4 * 2 * 3 * 5


def test_batch_settles_the_open_first_axis_of_every_input(tmp_path: Path) -> None:
    path = save(tmp_path, [node("MatMul", "x z", "y")], {"x": ("unk__1", 2, 5), "z": ("unk__2", 5, 3)}, "y")
    assert load_model(path, batch=4).macs == 4 * 2 * 3 * 5
    assert load_model(path, batch=4, dims={"unk__2": 1}).macs == 4 * 2 * 3 * 5


def test_a_misspelt_size_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": ("N", "length", 3)}, "y", weights={"w": (3, 4)})
    assert refused(path, dims={"lenght": 3}) == ("unknown dimension 'lenght'\nhint: did you mean 'length'? known: N, length")


def test_a_size_for_a_model_without_symbols_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": (1, 3)}, "y", weights={"w": (3, 4)})
    assert refused(path, dims={"N": 3}) == "the model has no symbolic size, so 'N' cannot be set\nhint: leave out --dim"


def test_shapes_that_do_not_fit_name_the_node(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": (2, 5)}, "y", weights={"w": (3, 4)})
    text = refused(path)
    assert text.startswith("shapes of 1 operators cannot be found: dense (MatMul: ")
    assert text.endswith("hint: give symbolic sizes with --dim name=value, or save the file with inferred shapes")


def test_a_batch_that_the_graph_has_written_into_a_reshape_is_refused(tmp_path: Path) -> None:
    import numpy as np

    nodes = [node("Reshape", "x s", "r", name="flat"), node("MatMul", "r w", "y")]
    path = save(tmp_path, nodes, {"x": (1, 4, 3)}, "y", weights={"s": np.array([1, 12]), "w": (12, 2)})
    assert load_model(str(path)).macs == 24
    assert refused(path, batch=2) == "'flat' reshapes 24 elements to 1x12\nhint: check the batch size"


def test_options_of_transformers_do_not_apply(tmp_path: Path) -> None:
    path = save(tmp_path, DENSE, {"x": (1, 3)}, "y", weights={"w": (3, 4)})
    assert refused(path, seq=3) == "an ONNX file takes no seq\nhint: leave it out"
