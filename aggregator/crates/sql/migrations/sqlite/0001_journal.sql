-- Marks the file as this program's: "SSTA".
PRAGMA application_id = 1397969985;

-- What shares one clock: a scrape target, a pushing host. Label sets are stored in their encoded form.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    labels BLOB NOT NULL
);

-- labels: without those of the target, unless inherits is 0.
-- last_ms: null while the series is in the head.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL,
    inherits INTEGER NOT NULL,
    labels BLOB NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER
);

-- id: segment << 40 | seq. One key instead of two columns and an index, so that a commit appends to
-- one b-tree and a segment is a range.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    blob BLOB NOT NULL
);

-- The newest version of each kept document.
CREATE TABLE object (
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    updated_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, key)
);

-- epoch: raised by whoever takes the database over; seq and hash: of the newest commit.
CREATE TABLE lease (
    id INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash INTEGER NOT NULL
);

INSERT INTO lease (id, epoch, seq, hash) VALUES (1, 0, 0, 0);

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL
);
