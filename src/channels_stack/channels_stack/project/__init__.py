"""The project and what production sets over it: loading, overrides part by part, routing, lifespan."""
