"""Writes that never run twice: each is written down before it goes out, and what became of it before that is told.

- A *journal* is where that stands: a file (`SqliteJournal`), or this process's memory (`MemoryJournal`).
- An *intent* says which write is about to go out; it is durable before the first byte is sent.
- An *ending* says what became of it; it is durable before the caller hears of it.
- A *key* that the caller gave is held by the write that had it first: see `headgate.tools.keys`.
- The *owner* of a write is the process that sends it. Whatever a dead owner has left at its intent is *unknown*.
- The *chain* is the list of all that was ever written down, each line sealed with the one before it.
"""
