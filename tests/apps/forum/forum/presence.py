import os

import redis
import redis.asyncio

prizes = redis.Redis(host="localhost", decode_responses=True)
lock = redis.from_url(os.environ["REDIS_URL"])
online = redis.asyncio.Redis(host=os.environ.get("REDIS_HOST", "localhost"))
