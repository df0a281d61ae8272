-- pack: the id of the target that opened the pack. Targets from before there were packs have their own.
ALTER TABLE target ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;
UPDATE target SET pack = id;

-- A start lists the series in memory; retention looks for the oldest of the others.
CREATE INDEX series_in_memory ON series (id) WHERE last_ms IS NULL;
CREATE INDEX series_that_left ON series (last_ms) WHERE last_ms IS NOT NULL;

CREATE TABLE pack (
    id INTEGER PRIMARY KEY,
    blob BLOB NOT NULL
);

-- The order of a pack's columns.
CREATE TABLE layout (
    pack INTEGER NOT NULL,
    id INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (pack, id)
);

-- What is deleted from blocks until they have been written anew. seq: of the commit.
CREATE TABLE deletion (
    seq INTEGER PRIMARY KEY,
    blob BLOB NOT NULL
);

-- For each tier (samples, buckets of five minutes, of an hour) the windows' headers and the blocks.
-- win: its start in milliseconds since 1970. A block counts when it is the newest of its group whose
-- ver is not above the header's. Keys begin with the time: a fold appends, retention cuts off.
CREATE TABLE header_raw (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    fold_seq INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (win, pack)
);
CREATE TABLE header_5m (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    fold_seq INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (win, pack)
);
CREATE TABLE header_1h (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    fold_seq INTEGER NOT NULL,
    clocks BLOB NOT NULL,
    PRIMARY KEY (win, pack)
);
CREATE TABLE block_raw (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (win, pack, grp, ver)
);
CREATE TABLE block_5m (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (win, pack, grp, ver)
);
CREATE TABLE block_1h (
    win INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    ver INTEGER NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (win, pack, grp, ver)
);
