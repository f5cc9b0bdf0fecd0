"""Only the tests of a running stack need services; they start those of the runtime's tests."""

collect_ignore = ["samples"]  # they have tests of their own, of Channels 2
