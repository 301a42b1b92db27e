"""How calls get out: connections to upstreams, limits, deadlines, and the driver that walks a plan in real time.

This layer knows nothing of how headgate itself is served, of command lines, or of the settings file.
"""
