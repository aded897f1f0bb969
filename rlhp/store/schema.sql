-- The preference store, version 4. Times: *_step in environment steps, *_at, since and until in seconds since 1970.

CREATE TABLE IF NOT EXISTS segment (
    id     TEXT PRIMARY KEY,           -- digest of the content, so that questions share a clip
    arrays BLOB NOT NULL               -- safetensors, deflated: obs, act, true_reward, state
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS query (
    id         INTEGER PRIMARY KEY,    -- greatest id + 1, so that a resumed run gives the same ids
    segments   TEXT NOT NULL,          -- JSON list of segment ids: the order that `ranks` follows
    asked_step INTEGER NOT NULL,
    kind       TEXT NOT NULL DEFAULT 'comparison'  -- what is asked about the clips, see rlhp.feedback
);

CREATE TABLE IF NOT EXISTS lease (     -- who looks at what: nobody else is given it until then
    query     INTEGER NOT NULL REFERENCES query (id) ON DELETE CASCADE,
    annotator TEXT NOT NULL,
    round     INTEGER NOT NULL,        -- of the answer that is to come
    since     REAL NOT NULL,           -- orders what one person holds
    until     REAL NOT NULL,
    PRIMARY KEY (query, annotator)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS answer (
    query       INTEGER NOT NULL REFERENCES query (id),
    teacher     TEXT NOT NULL,         -- who answered; human:NAME for a person at the page
    round       INTEGER NOT NULL DEFAULT 0,  -- 0 counts; 1 and more: the same person once more, for self-consistency alone
    ranks       TEXT,                  -- JSON list, one rank per clip of query.segments, lower is better
    rating      REAL,                  -- of a single clip, from 0 to 1; ranks and rating NULL: cannot tell
    swapped     INTEGER NOT NULL DEFAULT 0,  -- 1: shown in reverse order; `ranks` does not depend on it
    shown_at    REAL,
    answered_at REAL NOT NULL,
    taken_step  INTEGER,               -- step at which the reward model first saw it; NULL: not yet, or never (round > 0)
    flagged     INTEGER NOT NULL DEFAULT 0,  -- 1: its annotator takes it back after it was taken: left out of later fits
    source      TEXT NOT NULL,         -- how it came, see Source: a run deletes only what its own teacher answered
    PRIMARY KEY (query, teacher, round)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS answer_new ON answer (query) WHERE taken_step IS NULL AND round = 0;
CREATE INDEX IF NOT EXISTS answer_times ON answer (teacher, answered_at);
