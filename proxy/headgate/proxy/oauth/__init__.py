"""Access to upstreams that want a token: getting one, sending it, and having it renewed while calls go on.

What the protocol asks of a client (discovery, registration, PKCE, the requests for tokens) is the SDK's. Its own way to
send the token is not used: it lets one request out at a time, and reads each answer whole.
"""
