"""What is wrong with a bundle is found before anything is installed; that a whole one serves: tests/deploy/test_bundle.py."""

import hashlib
import io
import json
import tarfile

import pytest

from channels_stack_deploy.build import bundle as making
from channels_stack_deploy.config import settings
from channels_stack_deploy.console import Failure
from channels_stack_deploy.local import bundle

IMAGES = b"images, as docker save writes them\n" * 4000


@pytest.fixture
def written(tmp_path):
    """A function (contents) -> a tar with the manifest of IMAGES and these CONTENTS."""

    def write(**contents: bytes):
        path = tmp_path / "x.bundle.tar"
        manifest = {"files": {"images.tar": hashlib.sha256(IMAGES).hexdigest()}, "version": "0.1.0"}
        texts = {"manifest.json": json.dumps(manifest).encode(), "images.tar": IMAGES} | {
            name.replace("_", "."): text for name, text in contents.items()
        }
        with tarfile.open(path, "w") as tar:
            for name, text in texts.items():
                info = tarfile.TarInfo(f"bundle/{name}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))
        return path

    return write


def read(path):
    with tarfile.open(path) as tar:
        return bundle.checked(tar, path)


def test_a_whole_one(written):
    assert read(written())["version"] == "0.1.0"


@pytest.mark.parametrize(
    "left", [600, 5000, 100_000], ids=["in the manifest", "in the images", "near the end"]
)
def test_one_that_was_cut_off(written, deployment, left):
    path = written()
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(Failure, match=r"x\.bundle\.tar.*copy the file again|cannot be read"):
        bundle.take(deployment, path)


def test_a_part_that_is_another(written):
    with pytest.raises(Failure, match=r"images\.tar is not what `make bundle` wrote: copy the file again"):
        read(written(images_tar=IMAGES.replace(b"save", b"SAVE")))


def test_what_is_no_bundle(deployment, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    for name in ("photo.jpg", "none"):
        with pytest.raises(Failure, match="cannot be read"):
            bundle.take(deployment, tmp_path / name)


def test_one_for_a_release_of_debian_that_is_unknown(deployment):
    with pytest.raises(Failure, match="W=sid trixie: a bundle is for bookworm or trixie, not sid"):
        making.make(deployment, settings.defaults(), "sid trixie")


def test_an_application_elsewhere(tmp_path, monkeypatch):
    """In the checkout or next to it goes along; anywhere else it does not."""
    monkeypatch.setattr(making, "ROOT", tmp_path / "srv/checkout")
    assert making.outside(settings.defaults()) is None
    other = settings.defaults() | {"APP_DIR": "../../site"}
    assert making.outside(other) == tmp_path / "srv/site"
    with pytest.raises(Failure, match="is not next to this checkout"):
        making.outside(settings.defaults() | {"APP_DIR": str(tmp_path / "home/site")})
