"""Reading TOML of a project: what has not the form that its tool gives it is left out, and what is left may be relied on."""

from __future__ import annotations

import tomllib
from typing import Any

ANY = "*"
"""A key of any name."""

DECLARED: dict[str, Any] = {
    "project": {
        "name": str,
        "requires-python": str,
        "dependencies": [str],
        "dynamic": [str],
        "optional-dependencies": {ANY: [str]},
    },
    "dependency-groups": {ANY: [object]},
    "tool": {
        "poetry": {"dependencies": {}, "group": {ANY: {"dependencies": {}}}},
        "uv": {"workspace": {"members": [str], "exclude": [str]}},
    },
}
"""pyproject.toml."""

LOCK: dict[str, Any] = {
    "package": [{"name": str, "category": str, "groups": [str], "source": {ANY: str}, "path": str}]
}
"""uv.lock, poetry.lock and pdm.lock."""

NEEDS = [{"name": str, "extra": [str]}]
UV_LOCK: dict[str, Any] = {
    "package": [
        {
            **LOCK["package"][0],
            "dependencies": NEEDS,
            "optional-dependencies": {ANY: NEEDS},
            "dev-dependencies": {ANY: NEEDS},
        }
    ]
}


def read(text: str, form: dict[str, Any]) -> dict[str, Any]:
    """The content of TEXT, as far as it has this FORM. Raises ValueError where it is no TOML."""
    try:
        content: dict[str, Any] = _fitting(tomllib.loads(text), form)
    except RecursionError:
        raise ValueError("its tables are nested too deeply") from None
    return content


def _fitting(value: Any, form: Any) -> Any:
    """What of VALUE has the FORM: a type, a list with the form of its items, or a dict with those of its keys; else None."""
    if isinstance(form, type):
        return value if isinstance(value, form) else None
    if not isinstance(value, type(form)):
        return None
    if isinstance(form, list):
        items = [_fitting(item, form[0]) for item in value]
        return [item for item in items if item is not None]
    kept = {key: _fitting(item, form.get(key, form.get(ANY, object))) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item is not None}
