-- Everything lies in a schema of its own, so that the database may be shared.

-- What shares one clock: a scrape target, a pushing host. Label sets are stored in their encoded form.
CREATE TABLE target (
    id bigint PRIMARY KEY,
    labels bytea NOT NULL
);

-- labels: without those of the target, unless inherits is false.
-- last_ms: null while the series is in the head.
CREATE TABLE series (
    id bigint PRIMARY KEY,
    target bigint NOT NULL,
    inherits boolean NOT NULL,
    labels bytea NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint
);

-- The newest version of each kept document. Bodies arrive compressed: EXTERNAL keeps the server
-- from trying again.
CREATE TABLE object (
    kind bigint NOT NULL,
    key bytea NOT NULL,
    updated_ms bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, key)
);
ALTER TABLE object ALTER COLUMN body SET STORAGE EXTERNAL;

-- epoch: raised by whoever takes the database over; seq and hash: of the newest commit.
-- Every commit updates the one row: room on its page keeps the versions there.
CREATE TABLE lease (
    id bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    hash bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO lease (id, epoch, seq, hash) VALUES (1, 0, 0, 0);

CREATE TABLE meta (
    key text PRIMARY KEY,
    value bigint NOT NULL
);

-- The journal is a ring of plain tables, a segment in each, emptied by TRUNCATE: deleted rows would
-- bloat the table, and partitions cannot be made or dropped while a long reader (pg_dump) holds on
-- to their parent.
CREATE TABLE journal_0 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_1 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_2 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_3 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_4 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_5 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_6 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
CREATE TABLE journal_7 (segment bigint, seq bigint, blob bytea NOT NULL, PRIMARY KEY (segment, seq));
ALTER TABLE journal_0 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_1 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_2 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_3 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_4 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_5 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_6 ALTER COLUMN blob SET STORAGE EXTERNAL;
ALTER TABLE journal_7 ALTER COLUMN blob SET STORAGE EXTERNAL;

-- Which segments lie in which table: those from first_segment to last_segment. Rows outside of that
-- are trimmed ones that wait for the TRUNCATE; is_clean is false while there may be any.
CREATE TABLE journal_ring (
    slot bigint PRIMARY KEY,
    first_segment bigint,
    last_segment bigint,
    is_clean boolean NOT NULL
);
INSERT INTO journal_ring (slot, is_clean) SELECT slot, true FROM generate_series(0, 7) AS slot;
