"""Files written whole or not at all."""

from pathlib import Path

import pytest

from pytest_claims.writing import NotWritten, replace_file


def test_replace_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"one", b"two"):
        replace_file(path, content)
        assert path.read_bytes() == content
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_replace_file_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotWritten, match=r"not written \(.*\); make its folder writable"):
        replace_file(tmp_path / "file" / "below", b"content")
