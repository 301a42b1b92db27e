"""What headgate's own tools mean: the pure layer that decides.

The words of the field, as used throughout:

- a *batch* is a list of *calls*; a call names a *tool* and gives its arguments;
- a tool belongs to an *upstream* and is of a *class*: a *read* or a *write*;
- a *plan* says what each call of a batch waits for; a *schedule* is the machine that walks a plan;
- a *scope* is what two calls must touch in common for their order to matter;
- an *envelope* is the answer to one call; a *reply* is the answer to a batch.

This layer knows nothing of clocks, event loops, processes, sockets, files, logs or the MCP SDK.
Time comes in as a number of seconds; what is wrong goes out as a value.
"""
