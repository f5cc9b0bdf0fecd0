"""What a project looks for while it is imported and the image does not have: a program, a library of the system, a file.

Only an image can be given these, not a process: the fix is a setting of the build, never a variable in app.env.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import traceback
from collections.abc import Iterator

PACKAGE = "name the Debian package that has it in APP_PACKAGES, or a Python package that brings it in APP_REQUIREMENTS"
LIBRARY = re.compile(r"\b(lib[\w.+-]+?\.so[\w.]*): cannot open shared object")
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libgomp.so.1": "libgomp1",
    "libpq.so.5": "libpq5",
    "libmagic.so.1": "libmagic1",
    "libmariadb.so.3": "libmariadb3",
    "libodbc.so.2": "unixodbc",
    "libportaudio.so.2": "libportaudio2",
    "libcairo.so.2": "libcairo2",
}
"""Library that wheels do not bring -> Debian's package of it, which has the same name on every release."""
GDAL = "Could not find the GDAL library"


def fix(error: BaseException, own: str, text: str) -> str:
    """What to do about ``error``, where it is that something is absent; empty for any other.

    ``own`` is the last file of the project's that it came through, ``text`` what it says.
    """
    library = LIBRARY.search(text)
    if library:
        package = LIBRARIES.get(library[1])
        return f"the image has no library {library[1]}: {f'add {package} to APP_PACKAGES' if package else PACKAGE}"
    if GDAL in text:
        return "the image has no GDAL: APP_PACKAGES=binutils gdal-bin libproj-dev"
    program = _program(error, own, text)
    if program:
        return f"the image has no program {os.path.basename(program)!r}: {PACKAGE}"
    if isinstance(error, FileNotFoundError) and error.filename:
        if os.path.basename(str(error.filename)) == ".env":
            return (
                "a .env never reaches an image: its variables belong in app.env, on servers in stack_app_env"
            )
        return "the image has no such file: it holds what is in APP_DIR, without virtual environments, node_modules and .env"
    return ""


def _program(error: BaseException, own: str, text: str) -> str:
    """The program that ``error`` is about; empty where it is about none."""
    frames = traceback.extract_tb(error.__traceback__)
    started = any(os.path.basename(frame.filename) == "subprocess.py" for frame in frames)
    if (
        isinstance(error, FileNotFoundError)
        and error.filename
        and started
        and not os.path.exists(str(error.filename))
    ):
        return str(error.filename)
    for name in _looked_for(own):
        # It raises an error of its own, or goes on with None for the path of the program.
        mentioned = re.search(rf"\b{re.escape(name)}\b", text)
        if shutil.which(name) is None and (
            mentioned or (isinstance(error, TypeError) and "NoneType" in text)
        ):
            return name
    return ""


def _looked_for(path: str) -> Iterator[str]:
    """The programs that the file at ``path`` asks ``shutil.which`` for by name."""
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, ValueError, SyntaxError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            argument = node.args[0]
            if called == "which" and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value
