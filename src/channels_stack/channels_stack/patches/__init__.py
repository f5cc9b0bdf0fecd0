"""Everything that replaces something in another package: one module for each subject, and nothing of the kind elsewhere.

Each module has a ``PATCH``, which says for which versions it was written, why, and where that is discussed upstream, and which
alone replaces. What has changed since is left as it is, and one line of the log says so (``patches.patch``).
"""
