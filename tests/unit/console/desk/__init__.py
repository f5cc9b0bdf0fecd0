"""A project of somebody else with the console in it, under a path of its own: three lines, as its page says."""
