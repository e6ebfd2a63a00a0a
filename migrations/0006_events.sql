-- Events on their way, and what could not be taken over.

-- Rows come and go by the thousand: a fifth of the table, the default, would never be reached in time.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The phase of a sale that was told of last.
CREATE TABLE sale_phases (
    sale_id bigint CONSTRAINT sale_phases_pkey PRIMARY KEY
        CONSTRAINT sale_phases_sale_fkey REFERENCES sales,
    phase text NOT NULL
        CONSTRAINT sale_phases_phase_check CHECK (phase IN ('before', 'open', 'paused', 'ended')),
    recorded_at timestamptz NOT NULL
);
-- what ended before anybody was told of it is news no more
INSERT INTO sale_phases (sale_id, phase, recorded_at)
SELECT id, CASE WHEN ends_at <= now() THEN 'ended' ELSE 'before' END, now() FROM sales;

-- Queues of consumers that have lived long enough for the broker to know them after a crash. Until
-- then nothing is routed to them, so that one that was lost can be thrown away.
CREATE TABLE event_queues (
    queue text CONSTRAINT event_queues_pkey PRIMARY KEY
);

-- `failed_at` is the first time, `source` the queue.
ALTER TABLE dead_letters
    -- what came by a road that delivers again, by its own id: kept once, however often it fails
    ADD COLUMN message_id text,
    ADD COLUMN attempts bigint NOT NULL DEFAULT 1,
    -- none: it failed once
    ADD COLUMN last_failed_at timestamptz,
    -- what it belongs to, such as an order's id
    ADD COLUMN subject text,
    ADD COLUMN dropped_at timestamptz,
    ADD COLUMN drop_reason text,
    ADD CONSTRAINT dead_letters_dropped_check CHECK ((dropped_at IS NULL) = (drop_reason IS NULL));
CREATE UNIQUE INDEX dead_letters_message_idx ON dead_letters (source, message_id);
CREATE INDEX dead_letters_waiting_idx ON dead_letters (source, failed_at)
    WHERE replayed_at IS NULL AND dropped_at IS NULL;
