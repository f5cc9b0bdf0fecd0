"""Where things are in a checkout, and where one deployment of the stack keeps what is its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "compose"
IMAGES = ROOT / "images"
ENGINE = ROOT / "ansible/roles/engine/files/engine.py"
EXAMPLE = COMPOSE / "stack.env.example"
ENVIRONMENTS = COMPOSE / "environments"
"""Each folder in it is an environment with a name, a deployment of its own (environments.py)."""
IMAGE_NAMES = ROOT / ".images"
"""Where `make images` leaves the full names, NAME=tag, for the tests."""
BASES, WHEELS = ROOT / ".bases.json", ROOT / ".wheels"
"""From a bundle (local/bundle.py): the digest of each base image, which its name does not bring; what Ansible consists of."""


@dataclass(frozen=True)
class Deployment:
    """One deployment: a Compose project and the folder with its settings, secrets and certificates.

    `make up` uses the folder `compose/`, `make up ENV=staging` the folder `compose/environments/staging/`; the tests make one of
    their own each, so that they disturb no other.
    """

    folder: Path
    overlays: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The environment's name, as in ENV=staging; "" of the default one and of folders elsewhere."""
        return self.folder.name if self.folder.parent == ENVIRONMENTS else ""

    def verb(self, words: str) -> str:
        """The command line of a verb for this deployment: `up` is `make up`, of staging `make up ENV=staging`."""
        return f"make {words} ENV={self.name}" if self.name else f"make {words}"

    def shown(self, path: Path) -> str:
        """PATH, a file of this deployment, as messages name it: `stack.env`, of staging with its folder in the checkout."""
        return str(path.relative_to(ROOT if self.name else self.folder))

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
        """What Compose reads by itself: settings, project name, image names. Made again by each `make up`."""
        return self.folder / ".env"

    @property
    def definitions(self) -> Path:
        """Where plain `docker compose` ends its search: without it, it goes on to compose/compose.yml, another deployment's."""
        return self.folder / "compose.yaml"

    @property
    def secrets(self) -> Path:
        """One file a secret, each readable by its consumer only."""
        return self.folder / "secrets"

    @property
    def fetched(self) -> Path:
        """What the secrets were when commands last gave them (SECRET_COMMANDS): digests, for the operator's eyes alone."""
        return self.folder / ".fetched"

    @property
    def authority(self) -> Path:
        """The local certificate authority; or, given by the operator, fullchain.pem and privkey.pem."""
        return self.folder / "tls"

    @property
    def services(self) -> Path:
        """What of the settings the application's services get. Made again by each `make up`."""
        return self.folder / "services.env"

    @property
    def releasing(self) -> Path:
        """What of the settings only the jobs of a release get. Made again by each `make up`."""
        return self.folder / "release.env"

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
        """Services and volumes of the application's own (APP_COMMANDS, APP_VOLUMES). Made again by each `make up`."""
        return self.folder / "compose.app.json"

    @property
    def labels(self) -> Path:
        """Whose everything is, for Compose (ownership.py). Made again by each `make up`."""
        return self.folder / "compose.labels.json"

    @property
    def released(self) -> Path:
        """Which release the database and the static files are at."""
        return self.folder / ".released"

    @property
    def logs(self) -> Path:
        """All that `make up` had to say, a file for each run."""
        return self.folder / "log"

    @property
    def releases(self) -> Path:
        """What each release consisted of, and the history. Made by `make up`."""
        return self.folder / "releases"
