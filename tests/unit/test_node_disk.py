"""The folder for spilled data, before Dask needs it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from daskfleet_images.node.disk import check_spill_folder
from daskfleet_images.node.errors import NodeFailed


def test_a_folder_that_can_be_written_to_is_made_and_left_empty(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    check_spill_folder(folder)
    check_spill_folder(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "give the machine a larger volume"), (errno.EDQUOT, "give the machine a larger volume"),
     (errno.EROFS, "let the node's user write there, or name another `local_directory`")],
)  # fmt: skip
def test_a_folder_that_takes_nothing_is_told_with_the_systems_reason_and_the_remedy(
    number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def write(_self: Path, _data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(NodeFailed) as caught:
        check_spill_folder(tmp_path)
    assert str(caught.value) == f"workers cannot spill data to {tmp_path}: {os.strerror(number)}; {remedy}"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeFailed, match=r"workers cannot spill data to .*/file/x: Not a directory; "):
        check_spill_folder(tmp_path / "file" / "x")
