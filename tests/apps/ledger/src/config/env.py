from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Web(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")

    site_key: str
    hosts: list[str]
    debug: bool = False
    REDIS_URL: str


class Postgres(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PG_")

    name: str
    user: str
    password: str
    host: str = Field(..., min_length=1)
    port: int


web = Web()
postgres = Postgres()
