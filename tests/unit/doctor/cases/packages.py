"""E7xx, W7xx: packages, folders, translations."""

from __future__ import annotations

from specimens import REQUIREMENTS
from specimens import SETTINGS as S

from .edits import INSTALLED, add, required

BUILT = '{"scripts": {"build": "vite build"}}'
VITE = 'VITE = {"default": {"manifest_path": BASE / "front" / "dist" / "manifest.json"}}'

CASES = [
    (
        "W709",
        {
            "front/package.json": BUILT,
            S: (
                "DEBUG = False",
                f'DEBUG = False\nSTATICFILES_DIRS = [os.path.join(BASE, "front/dist")]\n{VITE}',
            ),
        },
        {
            "front/package.json": BUILT,
            "front/dist/manifest.json": "{}",
            S: (
                "DEBUG = False",
                f'DEBUG = False\nSTATICFILES_DIRS = [BASE / "front" / "dist"]\n{VITE}\nX = BASE / "made"',
            ),
        },
    ),
    (
        "W709",
        {"package.json": BUILT, S: ("DEBUG = False", 'DEBUG = False\nSTATICFILES_DIRS = [BASE / "dist"]')},
        {
            "package.json": '{"scripts": {"format": "prettier ."}}',
            S: ("DEBUG = False", 'DEBUG = False\nSTATICFILES_DIRS = [BASE / "dist"]'),
        },
    ),
    (
        "W707",
        {
            S: (
                "DEBUG = False",
                'DEBUG = False\nSTATICFILES_DIRS = [BASE / "node_modules/bootstrap", "assets"]',
            )
        },
        {S: ("DEBUG = False", 'DEBUG = False\nSTATICFILES_DIRS = ["assets/node"]\nNPM = "node_modules"')},
    ),
    (
        "E701",
        {REQUIREMENTS: ("channels==4.3.2", "channels>=3,<4")},
        {REQUIREMENTS: ("channels==4.3.2", "channels>=3,<5")},
    ),
    ("E701", required("asgiref~=3.5.0"), required("asgiref~=3.5")),
    (
        "E701",
        {REQUIREMENTS: ("channels==4.3.2", "channels==4.3.1\nasgiref==3.6.0")},
        {REQUIREMENTS: ("channels==4.3.2", "channels==4.0.0\nasgiref==3.6.0")},
    ),
    ("E702", required("aioredis==1.3.1"), required("aiopg==1.4.0")),
    (
        "E703",
        {REQUIREMENTS: ("Django==5.2.19", "Django==6.0.1")},
        {REQUIREMENTS: ("Django==5.2.19", "Django==6.0.6")},
    ),
    (
        "E703",
        {**required("daphne==4.1.2"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
        {**required("daphne>=4.1.2"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
    ),
    ("E704", required("autobahn==25.9.1"), required("autobahn==25.10.1")),
    (
        "W708",
        {REQUIREMENTS: ("Django==5.2.19", "Django>=4.2,<5.2")},
        {REQUIREMENTS: ("Django==5.2.19", "Django>=4.2,<5.3")},
    ),
    ("W708", {".python-version": "3.8.20\n"}, {".python-version": "3.13.1\n"}),
    (
        "W708",
        add("Pipfile", '[requires]\npython_version = "3.8"\n'),
        add("Pipfile", '[requires]\npython_version = "3.13"\n'),
    ),
    (
        "W705",
        {**required("django-dotenv==1.4.2\nuvicorn[standard]==0.54.0")},
        required("django-dotenv==1.4.2"),
    ),
    (
        "W706",
        add("locale/de/LC_MESSAGES/django.po", 'msgid "Rooms"\nmsgstr "Räume"\n'),
        add("locale/de/LC_MESSAGES/django.mo", ""),
    ),
]
