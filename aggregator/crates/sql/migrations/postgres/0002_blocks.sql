-- pack: the id of the target that opened the pack. Targets from before there were packs have their own.
ALTER TABLE target ADD COLUMN pack bigint NOT NULL DEFAULT 0;
UPDATE target SET pack = id;

-- A start lists the series in memory; retention looks for the oldest of the others.
CREATE INDEX series_in_memory ON series (id) WHERE last_ms IS NULL;
CREATE INDEX series_that_left ON series (last_ms) WHERE last_ms IS NOT NULL;

-- A second row with the epoch alone: jobs hold on to it while they write, and commits, which change
-- the first row, go on beside them.
INSERT INTO lease (id, epoch, seq, hash) SELECT 2, epoch, 0, 0 FROM lease WHERE id = 1;

CREATE TABLE pack (
    id bigint PRIMARY KEY,
    blob bytea NOT NULL
);
ALTER TABLE pack ALTER COLUMN blob SET STORAGE EXTERNAL;

-- The order of a pack's columns.
CREATE TABLE layout (
    pack bigint NOT NULL,
    id bigint NOT NULL,
    blob bytea NOT NULL,
    PRIMARY KEY (pack, id)
);
ALTER TABLE layout ALTER COLUMN blob SET STORAGE EXTERNAL;

-- What is deleted from blocks until they have been written anew. seq: of the commit.
CREATE TABLE deletion (
    seq bigint PRIMARY KEY,
    blob bytea NOT NULL
);

-- For each tier (samples, buckets of five minutes, of an hour) the windows' headers. win: its start in
-- milliseconds since 1970. A block counts when it is the newest of its group whose ver is not above
-- the header's.
CREATE TABLE header_raw (
    win bigint NOT NULL,
    pack bigint NOT NULL,
    ver bigint NOT NULL,
    layout bigint NOT NULL,
    fold_seq bigint NOT NULL,
    clocks bytea NOT NULL,
    PRIMARY KEY (win, pack)
);
CREATE TABLE header_5m (LIKE header_raw INCLUDING ALL);
CREATE TABLE header_1h (LIKE header_raw INCLUDING ALL);
ALTER TABLE header_raw ALTER COLUMN clocks SET STORAGE EXTERNAL;
ALTER TABLE header_5m ALTER COLUMN clocks SET STORAGE EXTERNAL;
ALTER TABLE header_1h ALTER COLUMN clocks SET STORAGE EXTERNAL;

-- The blocks of a slice of time are a table of their own, made when it is needed and dropped as a
-- whole: block_raw_N of the Nth day since 1970, block_5m_N of the Nth week, block_1h_N of the Nth 30
-- days. Its columns are those of this one, which stays empty.
CREATE TABLE block_of_slice (
    win bigint NOT NULL,
    pack bigint NOT NULL,
    grp bigint NOT NULL,
    ver bigint NOT NULL,
    blob bytea NOT NULL,
    PRIMARY KEY (win, pack, grp, ver)
);
ALTER TABLE block_of_slice ALTER COLUMN blob SET STORAGE EXTERNAL;

-- The slices that have a table. is_frozen: it was vacuumed after its time.
CREATE TABLE slice (
    tier bigint NOT NULL,
    number bigint NOT NULL,
    is_frozen boolean NOT NULL,
    PRIMARY KEY (tier, number)
);

-- The earliest slices: older history is in them as well, so that a few decades of it are not
-- thousands of tables. That of samples is 40 days before this database was made.
CREATE TABLE first_slice (
    tier bigint PRIMARY KEY,
    number bigint NOT NULL
);
INSERT INTO first_slice (tier, number)
SELECT tier, floor((extract(epoch FROM now()) - before * 86400) / (days * 86400))::bigint
FROM (VALUES (0, 40, 1), (1, 200, 7), (2, 1100, 30)) AS tier (tier, before, days);

-- Windows that are gone while their blocks wait for the end of their slice.
CREATE TABLE expired_window (
    tier bigint NOT NULL,
    win bigint NOT NULL,
    pack bigint NOT NULL,
    PRIMARY KEY (tier, win, pack)
);
