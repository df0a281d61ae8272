-- What happened to alerts, in the order of time; added to and cut off, never changed. id: the number
-- of the commit << 20, and which of its events it is. Bodies arrive compressed: EXTERNAL keeps the
-- server from trying again.
CREATE TABLE alert_event (
    at_ms bigint NOT NULL,
    id bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (at_ms, id)
);
ALTER TABLE alert_event ALTER COLUMN body SET STORAGE EXTERNAL;
