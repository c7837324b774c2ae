"""Arrays and a description in a file: nothing is lost, and what is no such file gets one sentence."""

import json
import os
import re
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save_file

import chainrule as cr
from chainrule.files import read_arrays, write_arrays

DTYPES = ["float32", "float64", "int32", "uint32", "bool"]


def same(one, other):
    """Whether two arrays agree in every bit, shape and dtype."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4)])
def test_every_dtype_and_shape(tmp_path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    write_arrays(tmp_path / "file", {"a": array}, {})
    read, _ = read_arrays(tmp_path / "file")
    assert same(read["a"], array)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name != "__metadata__" and name.isprintable()),
        arrays_of.arrays(st.sampled_from(DTYPES), arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)),
        max_size=3,
    ),
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists
        ),
        max_size=3,
    ),
)
def test_nothing_is_lost(tmp_path, arrays, description):
    write_arrays(tmp_path / "file", arrays, description)
    read, told = read_arrays(tmp_path / "file")
    assert told == description
    assert read.keys() == arrays.keys()
    assert all(same(read[name], array) for name, array in arrays.items())


def test_special_numbers_and_layouts(tmp_path):
    given_arrays = {
        "special": np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]),
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "every second": np.arange(10, dtype=np.int32)[::2],
        "repeated": np.broadcast_to(np.float32(2), (3, 2)),
    }
    write_arrays(tmp_path / "file", given_arrays, {})
    read, _ = read_arrays(tmp_path / "file")
    for name, array in given_arrays.items():
        assert same(read[name], array)
        read[name][...] = 0  # it is the reader's own
    assert not same(read_arrays(tmp_path / "file")[0]["special"], read["special"])


def test_what_json_cannot_hold_writes_nothing(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_arrays(tmp_path / "file", {}, {"model": object()})
    assert not list(tmp_path.iterdir())


# What is no such file ----------------------------------------------------------------------------


def whole_file(tmp_path):
    path = tmp_path / "file"
    write_arrays(path, {"weight": np.arange(6.0).reshape(2, 3), "flag": np.array(True)}, {"format": 1})
    return path, path.read_bytes()


def refused(path):
    sentence = (
        f"{str(path)!r} is not a model file of chainrule, or it is damaged; "
        "name a file that a model was saved to, or save the model again"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        read_arrays(path)


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path, content = whole_file(tmp_path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        refused(path)


def test_more_than_the_file_is_refused(tmp_path):
    path, content = whole_file(tmp_path)
    path.write_bytes(content + b"\0")
    refused(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_header_never_gives_another_error(tmp_path, data):
    path, content = whole_file(tmp_path)
    header = 8 + struct.unpack("<Q", content[:8])[0]
    changed = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, header - 1), min_size=1, max_size=3)):
        changed[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(changed))
    try:
        read_arrays(path)  # what was changed may have been a name, or a space
    except ValueError:
        refused(path)


def safetensors_file(path, metadata, dtype="F64", size=8):
    tensors = {"weight": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}}
    header = json.dumps({**({} if metadata is None else {"__metadata__": metadata}), **tensors}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))


@pytest.mark.parametrize(
    ("metadata", "dtype", "size"),
    [
        (None, "F64", 8),  # a file of safetensors that somebody else wrote
        ({"format": "pt"}, "F64", 8),
        ({"chainrule": "no JSON"}, "F64", 8),
        ({"chainrule": "[1, 2]"}, "F64", 8),
        ({"chainrule": "[" * 100_000}, "F64", 8),
        ({"chainrule": "{}"}, "BF16", 2),  # dtypes that NumPy has not
        ({"chainrule": "{}"}, "F8_E4M3", 1),
    ],
)
def test_a_file_of_other_tools_is_refused(tmp_path, metadata, dtype, size):
    safetensors_file(tmp_path / "foreign", metadata, dtype, size)
    refused(tmp_path / "foreign")


def test_the_foreign_file_is_whole_otherwise(tmp_path):
    safetensors_file(tmp_path / "own", {"chainrule": "{}"})
    assert read_arrays(tmp_path / "own") == ({"weight": [0.0]}, {})


@pytest.mark.parametrize(
    "content", [b"", b"species,mass\nAdelie,3.7\n", b"\x80\x04\x95" + bytes(40), b"PK\x03\x04"]
)
def test_files_of_other_kinds(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    refused(tmp_path / "other")
    with pytest.raises(ValueError, match="is not a model file of chainrule"):
        cr.load(tmp_path / "other")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=f"^there is no file {re.escape(repr(str(tmp_path / 'no')))}; check its path$"
    ):
        read_arrays(tmp_path / "no")
    with pytest.raises(IsADirectoryError, match=r"is a folder, not a model file; name the file in it$"):
        read_arrays(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no rights of this kind")
def test_a_file_that_may_not_be_read(tmp_path):
    """It is there, and the sentence does not say that it is missing."""
    write_arrays(tmp_path / "model", {}, {})
    (tmp_path / "model").chmod(0)
    tmp_path.chmod(0o755)
    code = """
import os
import safetensors
from chainrule.files import read_arrays
if os.geteuid() == 0:  # root may read everything
    os.seteuid(65534)
read_arrays("model")
"""
    run = [sys.executable, "-c", code]
    told = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False).stderr
    assert told.splitlines()[-1] == "PermissionError: [Errno 13] Permission denied: 'model'"


@pytest.mark.parametrize("place", [-1, -8, -9, -16])
def test_a_number_that_has_changed_is_damage(tmp_path, place):
    path = tmp_path / "file"
    write_arrays(path, {"a": np.array([1.0]), "b": np.array([3])}, {})
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        read_arrays(path)


def test_a_file_without_a_checksum_is_read(tmp_path):
    tensors = {"a": np.array([1.0, 2.0])}
    save_file(tensors, tmp_path / "file", metadata={"chainrule": "{}"})
    assert same(read_arrays(tmp_path / "file")[0]["a"], tensors["a"])
