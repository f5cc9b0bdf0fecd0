"""What of images/backup can be said without a container: which copies go, which backup serves, what an error means."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from backup import alive, archive, jobs, repository, restore
from backup.console import Failure, Refusal
from backup.repository import Backup

DAY = 86400
NOW = 1_800_000_000


def copies(*ages):
    return [jobs.Copy(int(NOW - age), f"{number:016x}") for number, age in enumerate(ages)]


def test_copies_of_the_last_day_all_stay():
    assert jobs.superfluous(copies(80000, 600, 300, 0), 14, NOW) == []


def test_of_older_days_the_first_copy_stays():
    found = copies(5 * DAY, 5 * DAY - 300, 5 * DAY - 600, 0)
    assert jobs.superfluous(found, 14, NOW) == found[1:3]


def test_beyond_the_days_to_keep_the_newest_stays_for_the_oldest_moment():
    found = copies(30 * DAY, 20 * DAY, 0)
    assert jobs.superfluous(found, 14, NOW) == found[:1]


def backup(label, stop):
    return Backup(label, stop - 5, stop, "full", 1, 1, "", False)


def test_the_backup_of_a_moment_ended_before_it():
    found = [backup("a", 100), backup("b", 200)]
    assert restore.choose(found, None, "").label == "b"
    assert restore.choose(found, 199, "").label == "a"
    with pytest.raises(Refusal, match="before the end of the oldest"):
        restore.choose(found, 99, "")
    with pytest.raises(Failure, match="no backup"):
        restore.choose([], None, "")


def test_a_moment_without_an_offset_is_utc():
    assert restore.parse("2026-01-01 00:00:00") == restore.parse("2026-01-01T01:00:00+01:00")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ERROR: [050]: unable to acquire lock on file", "another backup or restore is at work"),
        (
            "P00 ERROR: [044]: WAL file version 17, system-id 1 do not match stanza version",
            "backups of another cluster",
        ),
        (
            "ERROR: [055]: unable to load info file\n CryptoError: cipher header invalid",
            "backup_cipher does not open",
        ),
        (
            "ERROR: [055]: unable to load info file\n FileMissingError: unable to open",
            "holds no backups of this stack",
        ),
        ("ERROR: [029]: invalid zst \x01 data", "the repository is damaged"),
        ("ERROR: [049]: unable to get address for 'nas'", "the store cannot be reached"),
        (
            "ERROR: [095]: unable to verify certificate presented by 's3.test:8443 (192.0.2.2)': [18] self-signed certificate",
            "the certificate of the store is not trusted",
        ),
        (
            "ERROR: [095]: unable to load info file\n CryptoError: unable to verify certificate presented by 's3.test:8443'",
            "the certificate of the store is not trusted",
        ),
        ("ERROR: [039]: HTTP request failed with 403 (Forbidden):", "the store refuses"),
        ("nothing that anybody knows", "pgBackRest: nothing that anybody knows"),
    ],
)
def test_errors_are_reported_in_one_line(said, words):
    assert words in repository.meaning(said)
    assert repository.meaning(said).isprintable()


PROGRAM = Path(__file__).resolve().parents[3] / "images/backup"


@pytest.mark.parametrize(("answer", "code"), [(b"ok\n", 0), (b"no\n", 1)])
def test_the_health_check_asks_the_service(tmp_path, answer, code):
    path = tmp_path / "archive.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(8)
                connection.sendall(answer)

        threading.Thread(target=serve).start()
        assert alive.alive(str(path)) == code
    assert alive.alive(str(tmp_path / "nowhere.sock")) == 1
    assert str(archive.SOCKET) == alive.SOCKET


def test_the_health_check_loads_little():
    """It runs twice a minute for ever."""
    text = f"import sys; sys.path.insert(0, {str(PROGRAM)!r}); import backup.alive; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, check=True)
    assert {"argparse", "subprocess", "json", "threading"} & set(done.stdout.split()) == set()
