"""Fetching, verifying and naming CIFAR-10 and CIFAR-100, on stand-ins served from 127.0.0.1."""

import io
import shutil
import tarfile
from pathlib import Path

import data_server
import numpy as np
import pytest
from data_server import HTML, Server, digest, full

from gsutils import files
from gsutils.data import fetch, registry
from gsutils.runs.jobs import SEPARATOR

root, server = data_server.root, data_server.server
full_for_downloads = data_server.full_for_downloads


def records(spec: registry.Cifar, name: str) -> bytes:
    data = np.zeros((spec.records[name], spec.record_bytes), np.uint8)
    for column, classes in enumerate(spec.labels.values()):
        data[:, column] = np.arange(len(data)) % classes
    data[:, len(spec.labels) :] = len(name)
    return data.tobytes()


def tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-bin/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return packed.getvalue()


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request: pytest.FixtureRequest, server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a stand-in for a CIFAR of 200 records a file."""
    name: str = request.param
    spec = registry.CIFAR[name]
    spec = spec._replace(records=dict.fromkeys(spec.records, 200), mirrors=(server.url,))
    files = {f"{spec.folder}/{file}": records(spec, file) for file in spec.records}
    files |= {f"{spec.folder}/{file}": b"names\n" for file in spec.names}
    files |= {"../evil.bin": b"evil", f"{spec.folder}/../../evil.bin": b"evil", "/evil.bin": b""}
    packed = tar(files)
    spec = spec._replace(archive=registry.File(spec.archive.name, digest(packed)))
    monkeypatch.setattr(registry, "CIFAR", registry.CIFAR | {name: spec})
    server.answers[f"/{spec.archive.name}"] = packed
    return name


def put_cifar(folder: Path, name: str) -> Path:
    spec = registry.CIFAR[name]
    folder.mkdir(parents=True, exist_ok=True)
    for file in spec.records:
        (folder / file).write_bytes(records(spec, file))
    return folder


def test_cifar_is_fetched_unpacked_and_named(
    cifar: str, server: Server, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    folder = fetch.cifar(cifar)
    assert folder == root / spec.folder
    assert {path.name for path in folder.iterdir()} == {*spec.records, *spec.names, files.NOTE}
    assert {path.name for path in root.iterdir()} == {spec.folder, files.LOCK}
    assert list(tmp_path.rglob("evil*")) == []
    assert fetch.source_name(cifar) == spec.title
    assert fetch.cifar(cifar, download=False) == folder
    assert fetch.cached() == {cifar: spec.title}
    assert len(server.requests) == 1


def test_when_cifar_cannot_be_had_the_message_says_where_it_belongs(
    cifar: str, server: Server, root: Path
) -> None:
    server.answers.clear()
    folder = root / registry.CIFAR[cifar].folder
    with pytest.raises(fetch.DataUnavailable) as caught:
        fetch.cifar(cifar)
    assert f"not in {folder} ({server.url}{registry.CIFAR[cifar].archive.name}: HTTP 404" in str(
        caught.value
    )
    assert "data_scripts/fetch_cifar.py" in str(caught.value)


def test_altered_cifar_loses_the_name(cifar: str) -> None:
    path = fetch.cifar(cifar) / next(iter(registry.CIFAR[cifar].records))
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert fetch.source_name(cifar) == registry.CIFAR[cifar].title + " (unverified)"


def test_cifar_of_unknown_origin_is_named_unverified_or_what_source_txt_says(
    cifar: str, root: Path
) -> None:
    spec = registry.CIFAR[cifar]
    folder = put_cifar(root / spec.folder, cifar)
    assert fetch.cifar(cifar, download=False) == folder
    assert fetch.source_name(cifar) == f"{spec.title} (unverified)"
    (folder / "SOURCE.txt").write_text(f"{spec.title} (JPEG re-encoding)\n")
    assert fetch.cached() == {cifar: f"{spec.title} (JPEG re-encoding)"}


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 100])
def test_a_source_txt_that_is_no_name_is_reported(root: Path, cifar: str, text: str) -> None:
    folder = put_cifar(root / registry.CIFAR[cifar].folder, cifar)
    (folder / "SOURCE.txt").write_text(text)
    with pytest.raises(fetch.CorruptData, match=r"SOURCE\.txt.*one line"):
        fetch.source_name(cifar)


@pytest.mark.parametrize(
    "line",
    [
        "CIFAR-10, JPEG re-encoding",
        "JPEG re-encoding of CIFAR-10",
        "grey copy of MNIST",
        "MNIST above CIFAR-100",
        "CIFAR-10; MNIST, thinned",
    ],
)
def test_a_source_txt_that_would_count_as_published_data_is_refused(
    root: Path, cifar: str, line: str
) -> None:
    assert registry.is_published(line.split(SEPARATOR))
    folder = put_cifar(root / registry.CIFAR[cifar].folder, cifar)
    (folder / "SOURCE.txt").write_text(f" {line}\n")
    with pytest.raises(fetch.CorruptData, match=rf"SOURCE\.txt says {line}, which counts as"):
        fetch.source_name(cifar)
    assert fetch.cached() == {}


def test_cifar_of_the_wrong_structure_is_reported_and_left_alone(cifar: str, root: Path) -> None:
    spec = registry.CIFAR[cifar]
    folder = put_cifar(root / spec.folder, cifar)
    path = folder / list(spec.records)[-1]
    good = path.read_bytes()
    label, classes = list(spec.labels.items())[-1]
    wrong_label = bytearray(good)
    wrong_label[spec.record_bytes + len(spec.labels) - 1] = classes
    cases = [
        (good[:-1], f"Expected {len(good):,} bytes: 200 records"),
        (good + b"\0", f"Expected {len(good):,} bytes: 200 records"),
        (HTML, "web page"),
        (bytes(wrong_label), f"{label} {classes}, expected 0 to {classes - 1}"),
    ]
    for bad, said in cases:
        path.write_bytes(bad)
        with pytest.raises(fetch.CorruptData) as caught:
            fetch.cifar(cifar)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
        assert path.read_bytes() == bad
        assert fetch.cached() == {}
    path.unlink()
    with pytest.raises(fetch.CorruptData, match=f"incomplete: {path.name} missing"):
        fetch.cifar(cifar)


def test_an_archive_at_hand_is_unpacked_without_network(
    cifar: str, server: Server, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    packed = server.answers.pop(f"/{spec.archive.name}")
    assert isinstance(packed, bytes)
    root.mkdir()
    (root / spec.archive.name).write_bytes(packed)
    assert fetch.cached() == {}
    fetch.cifar(cifar, download=False)
    assert fetch.source_name(cifar) == spec.title
    assert (root / spec.archive.name).is_file()
    other = tmp_path / "other"
    fetch.cifar(cifar, source=root / spec.folder, root=other)
    assert fetch.source_name(cifar, root=other) == spec.title
    (root / spec.archive.name).rename(tmp_path / spec.archive.name)
    third = tmp_path / "third"
    fetch.cifar(cifar, source=tmp_path, root=third)
    assert fetch.source_name(cifar, root=third) == spec.title
    assert server.requests == []


def test_unpacked_files_are_taken_over_with_their_source_txt(
    cifar: str, root: Path, tmp_path: Path
) -> None:
    spec = registry.CIFAR[cifar]
    put_cifar(tmp_path / "mine" / spec.folder, cifar)
    (tmp_path / "mine" / spec.folder / "SOURCE.txt").write_text("Mine\n")
    fetch.cifar(cifar, source=tmp_path / "mine")
    assert fetch.source_name(cifar) == "Mine"
    with pytest.raises(fetch.DataUnavailable, match="Name the folder"):
        fetch.cifar(cifar, source=tmp_path / "none", root=tmp_path / "other")


def test_a_wrong_archive_is_reported_and_left_alone(cifar: str, root: Path) -> None:
    archive = root / registry.CIFAR[cifar].archive.name
    root.mkdir()
    archive.write_bytes(HTML)
    with pytest.raises(fetch.CorruptData, match=r"web page.*SHA-256"):
        fetch.cifar(cifar)
    assert archive.read_bytes() == HTML


@pytest.mark.usefixtures("full_for_downloads")
def test_a_full_disk_is_not_left_full_of_a_part_to_resume(cifar: str, root: Path) -> None:
    with pytest.raises(fetch.DataUnavailable, match=r"tar\.gz.*No space.*Free some space"):
        fetch.cifar(cifar)
    assert [path.name for path in root.iterdir()] == [files.LOCK]


def test_a_full_disk_while_unpacking_cifar_keeps_only_the_archive(
    cifar: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(fetch.DataUnavailable, match=r"No space left.*Free some space"):
            fetch.cifar(cifar)
    spec = registry.CIFAR[cifar]
    assert {path.name for path in root.iterdir()} == {spec.archive.name, files.LOCK}
    fetch.cifar(cifar, download=False)
    assert fetch.source_name(cifar) == spec.title


def test_old_remains_give_way_and_foreign_files_do_not(cifar: str, root: Path) -> None:
    spec = registry.CIFAR[cifar]
    folder = root / spec.folder
    folder.mkdir(parents=True)
    (folder / "SOURCE.txt").write_text("What was here before\n")
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(fetch.CorruptData, match=r"already holds thesis\.txt"):
        fetch.cifar(cifar)
    (folder / "thesis.txt").unlink()
    fetch.cifar(cifar)
    assert fetch.source_name(cifar) == spec.title


@pytest.mark.parametrize("name", ["CIFAR10", "", "cifar-10"])
def test_an_unknown_data_set_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"got '{name}'"):
        fetch.cifar(name)
    with pytest.raises(ValueError, match=f"got '{name}'"):
        fetch.source_name(name)
