"""The image of a test host, built once per content like the stack's own images."""

from __future__ import annotations

import sys
from pathlib import Path

from stacks import ROOT, machine_settings

sys.path.insert(0, str(ROOT / "compose"))
from stack import host, images, registry_service, settings

CONTEXT = Path(__file__).resolve().parent / "image"
ENGINE_ROLE = ROOT / "ansible/roles/engine/files"


def make(flavour: str, suite: str) -> str:
    """The full name of the image; it is built where it is not there yet (about 30 s, with the engine 45 s)."""
    contexts = {"engine_role": ENGINE_ROLE} if flavour == "engine" else {}
    image = images.Image(
        f"channels-stack/test-host-{flavour}", CONTEXT, flavour, contexts=contexts, suite=suite
    )
    values = {**settings.defaults(), **machine_settings()}
    return images.make(values, {"HOST_IMAGE": image})["HOST_IMAGE"]


def registry() -> str:
    """The full name of the stack's image of a registry; it is built where it is not there yet (about 10 s)."""
    values = {**settings.defaults(), **machine_settings()}
    return images.make(values, {"REGISTRY_IMAGE": registry_service.IMAGE})["REGISTRY_IMAGE"]


def base() -> str:
    """The full name of the stack's Debian base image, made where it is not there yet."""
    return images.base({**settings.defaults(), **machine_settings()})[0]


def network_files(suite: str) -> dict[str, str]:
    """What a host needs to reach the package archive from this machine's network: name -> text."""
    values = {**settings.defaults(), **machine_settings()}
    found = {
        "apt_sources": host.apt_sources(suite, values["DEBIAN_MIRROR"]),
        "apt_conf": host.apt_configuration(),
    }
    if host.BUNDLE.exists():
        found["ca"] = host.BUNDLE.read_text()
    return found
