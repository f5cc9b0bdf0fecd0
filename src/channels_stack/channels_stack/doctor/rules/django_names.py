"""Names of Django that its newer versions no longer have."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..files import Module
from ..findings import Found, rule
from ..project import Project

ENCODING, HTTP, TRANSLATION = "django.utils.encoding.", "django.utils.http.", "django.utils.translation."
HASHERS = "django.contrib.auth.hashers."
# Name -> the version that no longer has it, and what to write instead. Looked at in Django 4.2, 5.2, 6.0 and 6.1.
GONE = {
    "django.core.urlresolvers": ("2.0", "django.urls"),
    "django.utils.six": ("3.0", "the package six, or nothing"),
    "django.utils.lru_cache": ("3.0", "functools.lru_cache"),
    f"{ENCODING}python_2_unicode_compatible": ("3.0", "nothing: __str__() is enough"),
    "django.shortcuts.render_to_response": ("3.0", "django.shortcuts.render"),
    "django.contrib.staticfiles.templatetags": ("3.0", "django.templatetags.static"),
    "django.utils.decorators.available_attrs": ("3.0", "nothing: functools.wraps() needs none"),
    "django.utils.functional.curry": ("3.0", "functools.partial"),
    "django.utils.timezone.FixedOffset": ("3.1", "datetime.timezone"),
    "django.contrib.postgres.forms.JSONField": ("4.0", "django.forms.JSONField"),
    f"{ENCODING}force_text": ("4.0", "force_str"),
    f"{ENCODING}smart_text": ("4.0", "smart_str"),
    f"{HTTP}urlquote": ("4.0", "urllib.parse.quote"),
    f"{HTTP}urlquote_plus": ("4.0", "urllib.parse.quote_plus"),
    f"{HTTP}urlunquote": ("4.0", "urllib.parse.unquote"),
    f"{HTTP}urlunquote_plus": ("4.0", "urllib.parse.unquote_plus"),
    f"{HTTP}is_safe_url": ("4.0", "url_has_allowed_host_and_scheme"),
    f"{TRANSLATION}ugettext": ("4.0", "gettext"),
    f"{TRANSLATION}ugettext_lazy": ("4.0", "gettext_lazy"),
    f"{TRANSLATION}ugettext_noop": ("4.0", "gettext_noop"),
    f"{TRANSLATION}ungettext": ("4.0", "ngettext"),
    f"{TRANSLATION}ungettext_lazy": ("4.0", "ngettext_lazy"),
    "django.utils.text.unescape_entities": ("4.0", "html.unescape"),
    "django.conf.urls.url": ("4.0", "django.urls.re_path"),
    "django.utils.timezone.utc": ("5.0", "datetime.timezone.utc"),
    "django.utils.baseconv": ("5.0", "a package of its kind"),
    "django.utils.datetime_safe": ("5.0", "datetime"),
    "django.contrib.sessions.serializers.PickleSerializer": ("5.0", "JSONSerializer"),
    "django.core.files.storage.get_storage_class": ("5.1", "django.core.files.storage.storages"),
    f"{HASHERS}SHA1PasswordHasher": ("5.1", "PBKDF2PasswordHasher"),
    f"{HASHERS}UnsaltedSHA1PasswordHasher": ("5.1", "PBKDF2PasswordHasher"),
    f"{HASHERS}UnsaltedMD5PasswordHasher": ("5.1", "PBKDF2PasswordHasher"),
    "django.db.models.enums.ChoicesMeta": ("6.0", "ChoicesType"),
    "django.forms.renderers.DjangoDivFormRenderer": ("6.0", "DjangoTemplates"),
    "django.forms.renderers.Jinja2DivFormRenderer": ("6.0", "Jinja2"),
    "django.utils.itercompat": ("6.0", "isinstance(value, collections.abc.Iterable)"),
}


@rule("E116")
def gone_from_django(project: Project) -> Found:
    """A name that this Django no longer has

    In production: the process ends at start with ImportError or AttributeError, or the page that uses the name does.

    Instead: write the name that took its place, or pin a Django that has the old one.
    """
    if not project.packages.asks_for("django"):
        return
    for module in project.modules:
        lines: set[tuple[int, str]] = set()
        for node, name in _used(module):
            since, better = GONE.get(name, ("", ""))
            line = (module.place(node).line, name)
            if since and line not in lines and project.packages.may_be("django", since):
                lines.add(line)
                wrong = f"{name} is gone since Django {since}, and {_asked(project)} takes a newer one"
                yield module.place(node), wrong, f"write: {better}"


def _used(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """What a module takes from elsewhere for certain, by its dotted name."""
    for imported in module.imports:
        for name in (imported.module, f"{imported.module}.{imported.name}"):
            if name in GONE and not module.is_guarded(imported.node):
                yield imported.node, name
    for node in module.nodes:
        if isinstance(node, ast.Attribute):
            yield node, module.dotted(node)


def _asked(project: Project) -> str:
    """Where the project says which Django it takes, and which."""
    found = project.packages.find("django")
    chosen = next((one for one in found if one.locked), found[0] if found else None)
    return f"{chosen.place} ({chosen.text})" if chosen else "the installation"
