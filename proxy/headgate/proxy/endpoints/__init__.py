"""Plain HTTP endpoints as an upstream: what MCP calls a tool is here one method and path of an HTTP API.

- an *endpoint* says what a tool's arguments become: slots of a path, a query, headers, cookies, a body;
- its *request* is made from it and the arguments without any I/O: nothing that an argument holds leaves its place;
- *vetting* judges the addresses that a name stands for, and *dialing* connects to one that was vetted and to no other;
- its *answer* is the HTTP response as a `tools/call` result, or why there is none.
"""
