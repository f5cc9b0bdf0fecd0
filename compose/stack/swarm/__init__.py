"""What a deploy does with a swarm: a lock, secrets, jobs, rolling updates that are watched, and the way back.

Nothing here knows how a manager is reached: `engine.Engine` is given a function that runs a command there.
"""
