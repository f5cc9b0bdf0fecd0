"""Typed values from environment variables and secret files, for settings modules of projects. Part of the public interface."""

from .config.environment import ConfigurationError, Environment, Problem

__all__ = ["ConfigurationError", "Environment", "Problem"]
