"""Logins at upstreams: getting a person through one, and keeping what comes of it."""
