"""How often one socket may speak."""

import time


class TokenBucket:
    """Lets ``burst`` events through at once and ``rate`` per second in the long run."""

    def __init__(self, rate: float, burst: int, clock=time.monotonic):
        self.rate, self.burst, self.clock = rate, burst, clock
        self.tokens = float(burst)
        self.counted = clock()

    def take(self) -> bool:
        """Whether one more event may pass now."""
        now = self.clock()
        self.tokens = min(self.burst, self.tokens + (now - self.counted) * self.rate)
        self.counted = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    @property
    def rested(self) -> bool:
        """Whether the bucket was full, but for what was taken last."""
        return self.tokens >= self.burst - 1
