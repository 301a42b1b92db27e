"""Plain `tools/call` requests over stdio that need no task: begun as they come in, answered as their answers do.

For a read or a batch of reads, the task, the context and the queues that the SDK has for every request take longer than
all that headgate does for it. So each line is looked at before the SDK gets it. A plain call of a read that need not
wait for anything, and a plain batch, are begun at once, and whoever brings the last answer writes the reply. All else
is the SDK's to see to, and so is a call while a request that is none waits for its answer: it might change something
for the call.
"""
