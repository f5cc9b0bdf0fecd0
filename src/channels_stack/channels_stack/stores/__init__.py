"""Redis and the database as things that can fail: connections, Sentinel, scripts, and what an outage is."""
