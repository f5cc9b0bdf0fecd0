"""One layer for groups and jobs, by the name that CHANNEL_LAYERS gives. Part of the public interface."""

from .layers.routed import SingleLayer, SingleQueueingLayer

__all__ = ["SingleLayer", "SingleQueueingLayer"]
