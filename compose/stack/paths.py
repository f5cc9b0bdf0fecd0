"""Where things lie in a checkout, and where one deployment of the stack keeps what is its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose"
IMAGES = ROOT / "images"
ENGINE = ROOT / "ansible/roles/engine/files/engine.py"
EXAMPLE = COMPOSE / "stack.env.example"
IMAGE_NAMES = ROOT / ".images"
"""Where `make images` leaves the full names, NAME=tag, for the tests."""


@dataclass(frozen=True)
class Deployment:
    """One deployment: a Compose project and the folder with its settings, secrets and certificates.

    `make up` uses the folder `compose/`; the tests make one of their own each, so that they disturb nobody.
    """

    folder: Path
    overlays: tuple[str, ...] = ()

    @property
    def settings(self) -> Path:
        """What the operator edits."""
        return self.folder / "stack.env"

    @property
    def application(self) -> Path:
        """Variables for the application alone, as the operator writes them."""
        return self.folder / "app.env"

    @property
    def generated(self) -> Path:
        """What Compose reads by itself: settings, project name, image names. Made anew by each `make up`."""
        return self.folder / ".env"

    @property
    def secrets(self) -> Path:
        """One file a secret, each readable by its consumer only."""
        return self.folder / "secrets"

    @property
    def authority(self) -> Path:
        """The local certificate authority; or, given by the operator, fullchain.pem and privkey.pem."""
        return self.folder / "tls"

    @property
    def services(self) -> Path:
        """What of the settings the application's services get. Made anew by each `make up`."""
        return self.folder / "services.env"

    @property
    def edge(self) -> Path:
        """What the edge reads: settings and certificate. Made by `make up`."""
        return self.folder / "edge"

    @property
    def acme(self) -> Path:
        """For a private ACME server: ca.pem, the authority of its own certificate."""
        return self.folder / "acme"

    @property
    def commands(self) -> Path:
        """Services and volumes of the application's own (APP_COMMANDS, APP_VOLUMES). Made anew by each `make up`."""
        return self.folder / "compose.app.json"

    @property
    def labels(self) -> Path:
        """Whose everything is, for Compose (ownership.py). Made anew by each `make up`."""
        return self.folder / "compose.labels.json"

    @property
    def released(self) -> Path:
        """Which release the database and the static files are at."""
        return self.folder / ".released"
