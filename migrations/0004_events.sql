-- Facts, written in the transaction that makes them true, until the relay has published them.
CREATE TABLE outbox (
    -- the order of publishing, among what is committed
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
    routing_key text NOT NULL,
    body bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
