"""Clients of a Redis behind Sentinel, for code of projects. Part of the public interface."""

from .stores.sentinels import async_client, client

__all__ = ["async_client", "client"]
