"""The option python_environment: what is refused before anything is submitted."""

import io
import json
import os
import platform
import shutil
import struct
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from environments import VERSION, make_conda, make_venv, pack

from condor_futures.options.options import Options
from condor_futures.options.python_environment import PythonEnvironment, python_environment
from condor_futures.options.warm import closed_because


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as packed:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def elf(machine: int, start: bytes = b"\x7fELF\x02\x01") -> bytes:
    return start.ljust(18, b"\0") + struct.pack("<H", machine) + bytes(44)


def refusal(source: object) -> str:
    with pytest.raises(ValueError) as refused:
        python_environment(source)
    assert str(source) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_none_and_false_mean_no_environment():
    assert python_environment(None) is None
    assert python_environment(False) is None


@pytest.mark.parametrize("wrong", [3, ["env.tar.gz"], b"env", True])
def test_other_types_are_refused(wrong):
    with pytest.raises(TypeError, match="python_environment must be the path of an archive or a directory, not"):
        python_environment(wrong)


def test_a_missing_file(tmp_path):
    for missing in (tmp_path / "env.tar.gz", str(tmp_path / "no" / "env.tar.gz")):
        with pytest.raises(FileNotFoundError, match=r"the file '.*env.tar.gz' in python_environment does not exist"):
            python_environment(missing)


@pytest.mark.parametrize(
    "content", [b"", b"name: env\ndependencies: [python]\n", b"hsqs" + bytes(600), b"#!/bin/sh\nls\n"]
)
def test_no_archive(tmp_path, content):
    """An environment.yml, a squashfs image, any script."""
    path = tmp_path / "env"
    path.write_bytes(content)
    assert "is not an archive that jobs can unpack; make it with conda-pack, venv-pack or `pixi-pack" in refusal(path)


def test_a_damaged_archive(tmp_path):
    path = pack(make_conda(tmp_path / "env"), tmp_path / "env.tar.gz")
    path.write_bytes(path.read_bytes()[:200])
    assert "it is damaged" in refusal(path)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert "it is damaged" in refusal(path)


def test_no_python(tmp_path):
    assert "has no Python: bin/python must be at the top" in refusal(archive(tmp_path / "a.tar.gz", {"bin/ls": b""}))
    (tmp_path / "directory").mkdir()
    assert "install python into the environment" in refusal(tmp_path / "directory")
    deep = archive(tmp_path / "b.tar.gz", {"home/ada/env/bin/python": b""})
    assert "but is only at home/ada/env; make the archive of that directory" in refusal(deep)


def test_a_venv_whose_python_was_removed(tmp_path):
    made = make_venv(tmp_path / "env")
    for path in (made / "bin").glob("python*"):
        path.unlink()
    (made / "bin" / "python").symlink_to("/no/such/python3")
    assert "has no Python: /no/such/python3 does not exist; make the venv again" in refusal(made)


@pytest.mark.parametrize(
    ("system", "files"),
    [
        ("Windows", {"python.exe": b"MZ"}),
        ("Windows", {"Scripts/python.exe": b"MZ", "pyvenv.cfg": b""}),
        ("macOS", {"bin/python3.11": b"\xcf\xfa\xed\xfe" + bytes(60)}),
        ("macOS", {"conda-meta/python-3.11.4-h1_0.json": json.dumps({"subdir": "osx-arm64"}).encode()}),
        ("Windows", {"conda-meta/python-3.11.4-h1_0.json": json.dumps({"subdir": "win-64"}).encode()}),
        ("macOS", {"pixi-pack.json": json.dumps({"platform": "osx-64"}).encode()}),
        ("Windows", {"channel/win-64/python-3.11.4-h1_0.conda": b""}),
    ],
)
def test_other_systems(tmp_path, system, files):
    assert f"is for {system}, but jobs run on Linux; make it on Linux" in refusal(archive(tmp_path / "e.tar.gz", files))


@pytest.mark.parametrize(
    "files",
    [
        {"bin/python2.7": b"", "bin/python": b"", "lib/python3.7/os.py": b""},
        {"./env/bin/python3.7": elf(0x3E)},
        {"bin/python": b"", "conda-meta/python-3.7.4-h1_0.json": b"{}"},
        {"bin/python3": b"", "lib/python3.7/site-packages/x.py": b""},
    ],
)
def test_other_versions(tmp_path, files):
    said = refusal(archive(tmp_path / "e.tar.gz", files))
    assert f"has Python 3.7, but this program runs Python {VERSION}, and both must have the same minor version" in said


def test_conda_links_to_an_earlier_version_do_not_count(tmp_path):
    """Conda's Python 3.11 has a link lib/python3.1."""
    made = make_conda(tmp_path / "env")
    (made / "lib" / "python3.1").symlink_to(f"python{VERSION}")
    (made / "bin" / "python3.1").symlink_to("python")
    for source in (made, pack(made, tmp_path / "env.tar.gz")):
        assert python_environment(source) is not None


def test_other_processors(tmp_path):
    """An environment for them is taken if the user selects machines that have them."""
    other = 0xB7 if platform.machine() == "x86_64" else 0x3E
    made = python_environment(archive(tmp_path / "e.tar.gz", {f"bin/python{VERSION}": elf(other)}))
    name = {0xB7: "aarch64", 0x3E: "x86_64"}[other]
    with pytest.raises(ValueError, match=f"is for the processor {name}, but jobs run on machines like this one"):
        made.check_machine({})
    made.check_machine({"requirements": f'TARGET.Arch == "{name}"'})
    with pytest.raises(ValueError, match="processor"):
        Options({}, spool=True).changed({}, environment=made.source)


def test_conda_environments_are_not_packed_here(tmp_path):
    """Their files contain their place. What conda-pack has packed can be moved."""
    made = make_conda(tmp_path / "env")
    assert python_environment(made).kind == "directory"
    (made / "bin" / "conda-unpack").unlink()
    assert f"is a conda environment, whose files contain its path; run `conda-pack -p {made} -o" in refusal(made)


def test_pixi_pack(tmp_path, monkeypatch):
    """Without pixi-unpack, only what unpacks itself can be used."""
    subdir = "linux-64" if platform.machine() == "x86_64" else f"linux-{platform.machine()}"
    files = {
        f"channel/{subdir}/python-{VERSION}.4-h1_0.conda": b"",
        "pixi-pack.json": json.dumps({"platform": subdir}).encode(),
    }
    plain = archive(tmp_path / "environment.tar", files)
    monkeypatch.setenv("PATH", "")
    assert "was made by pixi-pack, and jobs need pixi-unpack, which is not on PATH here" in refusal(plain)
    (tmp_path / "pixi-unpack").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert python_environment(plain).kind == "pixi"


@pytest.mark.parametrize("width", [76, 10_000_000])
@pytest.mark.parametrize("version", [VERSION, "3.7"])
def test_scripts_of_pixi_pack(tmp_path, width, version):
    """Their archive is read, too."""
    import base64

    inner = archive(tmp_path / "inner", {f"channel/linux-64/python-{version}.4-h1_0.conda": os.urandom(3000)})
    text = base64.b64encode(inner.read_bytes())
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    script = tmp_path / "environment.sh"
    script.write_bytes(
        b"\n".join([b"#!/usr/bin/env bash", b"exit 0", b"@@END_HEADER@@", b"", *lines, b"@@END_ARCHIVE@@", b""])
    )
    if version != VERSION:
        assert "has Python 3.7" in refusal(script)
    else:
        made = python_environment(script)
        assert (made.kind, made.name[-3:], made.machine) == ("script", ".sh", "x86_64")


def test_zip_files(tmp_path):
    path = tmp_path / "env.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("env/bin/python", "")
        made.writestr("env/lib/python3.7/os.py", "")
    assert "has Python 3.7" in refusal(path)


@pytest.mark.parametrize("program", ["gzip", "bzip2", "xz", "zstd"])
def test_compressed_archives(tmp_path, program, monkeypatch):
    """Their contents are known, whatever their names are."""
    if shutil.which(program) is None:
        pytest.skip(f"no {program}")
    plain = archive(tmp_path / "env", {"bin/python3.7": elf(0x3E)})
    with (tmp_path / "made").open("wb") as made:
        subprocess.run([program, "-c", plain], stdout=made, check=True)
    assert "has Python 3.7" in refusal(tmp_path / "made")
    (tmp_path / "made").write_bytes((tmp_path / "made").read_bytes()[:60])
    assert "cannot be read" in refusal(tmp_path / "made")
    if program == "zstd":
        monkeypatch.setenv("PATH", "")
        assert "it is compressed with zstd, which is not on PATH here" in refusal(tmp_path / "made")


def test_an_archive_that_was_changed_or_removed(tmp_path):
    """It is not sent under the name of the one that was checked."""
    path = pack(make_conda(tmp_path / "env"), tmp_path / "env.tar.gz")
    made = python_environment(path)
    assert made.trouble() is None
    with path.open("ab") as file:
        file.write(b"more")
    assert "has changed; pass it to with_options()" in str(made.trouble())
    path.unlink()
    assert isinstance(made.trouble(), FileNotFoundError)


def test_names_differ_if_the_files_do(tmp_path):
    made = make_venv(tmp_path / "env")
    before = python_environment(made)
    assert python_environment(str(made)) == before
    (made / "extra.txt").write_text("")
    assert python_environment(made).name != before.name


def test_environments_are_options(tmp_path):
    """Jobs with different environments share neither a cluster nor a fleet."""
    one, other = (make_venv(tmp_path / name) for name in ("one", "other"))
    plain = Options({}, spool=True, warm=20.0)
    first, second = (plain.changed({}, environment=source) for source in (one, other))
    assert len({options.key for options in (plain, first, second)}) == 3
    assert first.changed({"priority": 1}).environment == first.environment
    assert first.changed({}, environment=False).environment is None
    assert Options.from_record(json.loads(json.dumps(first.record()))).key == first.key
    assert closed_because(first) is None
    unspooled = first.changed({}, spool=False)
    assert "outside the files of the job" in closed_because(unspooled)
    assert closed_because(unspooled, shared_files=True) is None
    assert closed_because(unspooled.changed({"container_image": "docker://debian"}), shared_files=True)


def test_records_of_earlier_versions_have_none():
    record = Options({}, spool=True).record()
    del record["environment"]
    assert Options.from_record(record).environment is None


def test_an_environment_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_venv(tmp_path / "env")
    assert python_environment("~/env").source == tmp_path / "env"


def test_records_keep_the_name_for_messages():
    made = PythonEnvironment(Path("/data/env.tar.gz"), "0123.tar", "tar", (1, 2), "x86_64")
    assert PythonEnvironment.from_record(made.record()).source == made.source
    assert PythonEnvironment.from_record(made.record()).trouble() is None
