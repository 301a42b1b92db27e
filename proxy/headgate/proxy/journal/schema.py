"""The tables of a journal file, and how an older file gets them."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE writes (
            id INTEGER PRIMARY KEY,
            principal TEXT NOT NULL,
            upstream TEXT NOT NULL,
            tool TEXT NOT NULL,
            key TEXT,
            fingerprint TEXT NOT NULL,
            state TEXT NOT NULL,
            owner TEXT NOT NULL,
            intended_at REAL NOT NULL,
            ended_at REAL,
            ending BLOB,
            live INTEGER,
            first_event INTEGER NOT NULL
        )""",
        # A key that is held, and by which write. One that is free again has `live` NULL, and NULLs are never alike.
        "CREATE UNIQUE INDEX held ON writes(key, tool, upstream, principal, live) WHERE key IS NOT NULL",
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY,
            write INTEGER NOT NULL,
            at REAL NOT NULL,
            what TEXT NOT NULL,
            detail TEXT NOT NULL,
            hash TEXT NOT NULL
        )""",
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE padding (bytes BLOB)",
    ),
    # The line of the chain about an intent stands in the row of its write: a statement and a page less to wait for.
    ("ALTER TABLE writes ADD COLUMN told TEXT", "ALTER TABLE writes ADD COLUMN seal TEXT"),
)
"""The statements of each version. What has been released is never changed, only added to."""

VERSION = len(MIGRATIONS)
