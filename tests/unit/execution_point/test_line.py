"""Operations on files of the access point, and what happens when they fail."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from chirp_proxy import NO_SPACE, NOT_AUTHENTICATED, NOT_AUTHORIZED, OFFLINE
from support import until

from condor_futures.execution_point.line import BAD_DESCRIPTOR, Line, LineError


@pytest.fixture
def line(proxy):
    with closing(Line()) as made:
        yield made


def test_what_was_written_is_read(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "rwc")
    data = bytes(range(256)) * 8192  # two MiB
    assert line.write(descriptor, data, 0) == len(data)
    assert line.read(descriptor, len(data), 0) == data
    assert line.read(descriptor, 3, 254) == bytes([254, 255, 0])
    assert line.read(descriptor, 100, len(data)) == b""
    assert (proxy.directory / "file").stat().st_mode & 0o777 == 0o600


def test_blanks_and_backslashes_in_a_path(line, proxy):
    line.open(str(proxy.directory / "a b\\c\td"), "wc")
    assert [path.name for path in proxy.directory.iterdir()] == ["a b\\c\td"]


def test_earlier_releases_of_htcondor_write_a_file_in_the_scratch_directory(proxy, tmp_path, monkeypatch):
    monkeypatch.delenv("_CONDOR_CHIRP_CONFIG")
    monkeypatch.setenv("_CONDOR_SCRATCH_DIR", str(tmp_path))
    (tmp_path / ".chirp.config").write_text(proxy.config)
    with closing(Line()) as line:
        line.check()


def test_an_error_has_a_code_and_the_line_works_on(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "wc")
    proxy.refuse(NO_SPACE)
    with pytest.raises(LineError, match="refuses 'pwrite': Chirp error -6") as refused:
        line.write(descriptor, b"data", 0)
    assert refused.value.code == NO_SPACE
    assert line.write(descriptor, b"data", 0) == 4


def test_a_path_outside_is_refused(line, tmp_path):
    with pytest.raises(LineError) as refused:
        line.open(str(tmp_path / "outside"), "wc")
    assert refused.value.code == NOT_AUTHORIZED


def test_a_check_tells_whether_there_is_a_shadow(line, proxy):
    line.check()
    proxy.offline = True
    with pytest.raises(LineError) as refused:
        line.check()
    assert refused.value.code == OFFLINE


def test_descriptors_belong_to_the_shadow_and_not_to_the_connection(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "rwc")
    with closing(Line()) as other:
        assert other.write(descriptor, b"data", 0) == 4
    proxy.new_shadow()
    with pytest.raises(LineError) as refused:
        line.read(descriptor, 4, 0)
    assert refused.value.code == BAD_DESCRIPTOR


def test_a_reply_that_breaks_off(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "rwc")
    line.write(descriptor, b"data", 0)
    proxy.cut_replies(4)
    with pytest.raises(LineError, match="closed the connection") as failed:
        line.read(descriptor, 4, 0)
    assert failed.value.code == 0


def test_a_request_that_breaks_off(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "rwc")
    proxy.cut_requests(1000)
    with pytest.raises(LineError) as failed:
        line.write(descriptor, bytes(1 << 20), 0)
    assert failed.value.code == 0
    assert (proxy.directory / "file").read_bytes() == b""


def test_a_shadow_that_stands_still_is_waited_for(line, proxy):
    descriptor = line.open(str(proxy.directory / "file"), "wc")
    proxy.stand_still()
    written = []
    thread = threading.Thread(target=lambda: written.append(line.write(descriptor, bytes(4 << 20), 0)))
    thread.start()
    thread.join(0.6)  # longer than a slice of the wait
    assert thread.is_alive()
    proxy.go_on()
    thread.join()
    assert written == [4 << 20]


def test_a_wait_can_be_shortened_while_it_lasts(proxy):
    patience = [None]
    line = Line(lambda: patience[0])
    proxy.stand_still()
    failed = []

    def ask():
        try:
            line.check()
        except LineError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert not failed
    patience[0] = 0.0
    thread.join()
    assert failed[0].code == 0
    line.close()


@pytest.mark.parametrize("config", ["", "127.0.0.1", "127.0.0.1 no-port cookie", "127.0.0.1 1 cookie"])
def test_a_proxy_that_is_not_there(tmp_path, monkeypatch, config):
    (tmp_path / "config").write_text(config)
    monkeypatch.setenv("_CONDOR_CHIRP_CONFIG", str(tmp_path / "config"))
    with pytest.raises(LineError, match="cannot connect") as failed:
        Line()
    assert failed.value.code == 0


def test_a_job_without_a_proxy(tmp_path, monkeypatch):
    monkeypatch.delenv("_CONDOR_CHIRP_CONFIG", raising=False)
    monkeypatch.setenv("_CONDOR_SCRATCH_DIR", str(tmp_path))
    with pytest.raises(LineError, match=r"\.chirp\.config"):
        Line()


def test_a_wrong_cookie(proxy, tmp_path):
    (tmp_path / "config").write_text(proxy.config.rsplit(maxsplit=1)[0] + " wrong")
    with pytest.raises(LineError) as refused:
        Line()
    assert refused.value.code == NOT_AUTHENTICATED
    until(lambda: proxy.requests == ["cookie"])
