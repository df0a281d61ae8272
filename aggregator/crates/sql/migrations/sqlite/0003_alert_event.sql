-- What happened to alerts, in the order of time; added to and cut off, never changed. id: the number
-- of the commit << 20, and which of its events it is.
CREATE TABLE alert_event (
    at_ms INTEGER NOT NULL,
    id INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (at_ms, id)
) WITHOUT ROWID;
