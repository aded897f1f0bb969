-- The preference store. Times: *_step in environment steps, *_at and *_until in seconds since 1970.

CREATE TABLE IF NOT EXISTS segment (
    id     TEXT PRIMARY KEY,           -- digest of the content, so that questions share a clip
    arrays BLOB NOT NULL               -- safetensors, deflated: obs, act, true_reward, state
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS query (
    id           INTEGER PRIMARY KEY,  -- greatest id + 1, so that a resumed run gives the same ids
    segments     TEXT NOT NULL,        -- JSON list of segment ids, in the order shown
    asked_step   INTEGER NOT NULL,
    leased_until REAL NOT NULL DEFAULT 0,
    leased_by    TEXT
);

CREATE TABLE IF NOT EXISTS answer (
    query       INTEGER NOT NULL REFERENCES query (id),
    teacher     TEXT NOT NULL,         -- begins with "human" where a person answered: never deleted
    ranks       TEXT,                  -- JSON list, one rank per clip, lower is better; NULL: cannot tell
    shown_at    REAL,
    answered_at REAL NOT NULL,
    taken_step  INTEGER,               -- step at which the reward model first saw it; NULL: not yet
    PRIMARY KEY (query, teacher)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS answer_new ON answer (query) WHERE taken_step IS NULL;
