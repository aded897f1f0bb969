-- The preference store, version 4. Times: *_step in environment steps, *_at, since and until in seconds since 1970.

CREATE TABLE IF NOT EXISTS segment (
    id     TEXT PRIMARY KEY,           -- digest of the content, so that queries share a clip
    arrays BLOB NOT NULL               -- safetensors, deflated: obs, act, true_reward, state
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS query (
    id         INTEGER PRIMARY KEY,    -- greatest id + 1, so that a resumed run assigns the same ids
    segments   TEXT NOT NULL,          -- JSON list of segment ids, in the order of `ranks`
    asked_step INTEGER NOT NULL,
    kind       TEXT NOT NULL DEFAULT 'comparison'  -- see rlhp.feedback
);

CREATE TABLE IF NOT EXISTS lease (     -- a query held by a person; until then nobody else is assigned it
    query     INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,
    annotator TEXT NOT NULL,
    round     INTEGER NOT NULL,        -- of the pending answer
    since     REAL NOT NULL,           -- display order of the queries that one person holds
    until     REAL NOT NULL,
    PRIMARY KEY (query, annotator)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS answer (
    query       INTEGER NOT NULL REFERENCES query (id),
    teacher     TEXT NOT NULL,         -- human:NAME for a person at the page
    round       INTEGER NOT NULL DEFAULT 0,  -- 0: used for training; 1 and more: repeats, only for self-consistency
    ranks       TEXT,                  -- JSON list, one rank per clip of query.segments, lower is better
    rating      REAL,                  -- of a single clip, from 0 to 1; ranks and rating NULL: cannot tell
    swapped     INTEGER NOT NULL DEFAULT 0,  -- 1: shown in reverse order; `ranks` does not depend on it
    shown_at    REAL,
    answered_at REAL NOT NULL,
    taken_step  INTEGER,               -- step at which the reward model received it; NULL: not yet, or never (round > 0)
    flagged     INTEGER NOT NULL DEFAULT 0,  -- 1: withdrawn by its annotator after that step; later fits exclude it
    source      TEXT NOT NULL,         -- origin, see Source: a run deletes only the answers of its own teacher
    PRIMARY KEY (query, teacher, round)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS answer_new ON answer (query) WHERE taken_step IS NULL AND round = 0;
CREATE INDEX IF NOT EXISTS answer_times ON answer (teacher, answered_at);
