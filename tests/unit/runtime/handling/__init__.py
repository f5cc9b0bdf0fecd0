"""A project whose requests are compared on each HTTP_HANDLER (test_handler.py)."""
