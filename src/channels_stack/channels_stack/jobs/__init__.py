"""Jobs of worker channels, from the queue in Redis to the consumer, and the processes that work on them."""
