"""The project that `make bench-pages` serves: what `startproject` makes, and three pages."""
