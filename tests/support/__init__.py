"""What several suites of tests need; the standard library alone, so that each suite may import it."""
