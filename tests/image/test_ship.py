"""The names that images have on the controller, with the engine that is here."""

from __future__ import annotations

import uuid

from channels_stack_deploy.registry import transfer

from .conftest import docker


def test_a_name_for_the_hosts_is_forgotten_and_the_image_stays(redis_image):
    # A name of this test alone: the image's real one may be another run's, which ships it at this moment.
    own = f"channels-stack/test-{uuid.uuid4().hex[:8]}:1"
    docker("tag", redis_image, own)
    try:
        name = transfer.tag({"REDIS_IMAGE": own})["REDIS_IMAGE"]
        assert transfer.look(name) == transfer.look(own) != ""
        assert transfer.forget([name, own, f"{transfer.NOWHERE}/channels-stack/never:1"]) == [name]
        assert transfer.look(name) == ""
        assert transfer.look(own), "what was built is not touched"
        assert transfer.forget([name]) == []
    finally:
        docker("image", "rm", own)
