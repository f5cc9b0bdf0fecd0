"""The image of a test host, built once per content like the stack's own images."""

from __future__ import annotations

from pathlib import Path

from stacks import ROOT, machine_settings

from channels_stack_deploy.build import build_environment, builder, images
from channels_stack_deploy.build.contexts import Image
from channels_stack_deploy.config import settings
from channels_stack_deploy.registry import service

CONTEXT = Path(__file__).resolve().parent / "image"
ENGINE_ROLE = ROOT / "ansible/roles/engine/files"


def make(flavour: str, suite: str) -> str:
    """The full name of the image; it is built where it is not there yet (about 30 s, with the engine 45 s)."""
    return made(HOST_IMAGE=host_image(flavour, suite))


def machine(suite: str) -> str:
    """The full name of the image of a virtual machine with the files of the flavour "engine" (another 30 s to build)."""
    parent = host_image("engine", suite)
    return made(
        MACHINE_IMAGE=Image(
            "channels-stack/test-machine", CONTEXT.parent / "machine", parent=parent, suite=suite
        )
    )


def host_image(flavour: str, suite: str) -> Image:
    contexts = {"engine_role": ENGINE_ROLE} if flavour == "engine" else {}
    return Image(f"channels-stack/test-host-{flavour}", CONTEXT, flavour, contexts=contexts, suite=suite)


def made(**wanted: Image) -> str:
    """The full name of the last of the images WANTED; those are built that are not there yet."""
    return list(images.make({**settings.defaults(), **machine_settings()}, wanted).values())[-1]


def registry() -> str:
    """The full name of the stack's image of a registry; it is built where it is not there yet (about 10 s)."""
    return made(REGISTRY_IMAGE=service.IMAGE)


def base() -> str:
    """The full name of the stack's Debian base image, made where it is not there yet."""
    return builder.base({**settings.defaults(), **machine_settings()})[0]


def network_files(suite: str) -> dict[str, str]:
    """What a host needs to reach the package archive from this machine's network: name -> text."""
    values = {**settings.defaults(), **machine_settings()}
    found = {
        "apt_sources": build_environment.apt_sources(suite, values["DEBIAN_MIRROR"]),
        "apt_conf": build_environment.apt_configuration(),
    }
    if build_environment.BUNDLE.exists():
        found["ca"] = build_environment.BUNDLE.read_text()
    return found
