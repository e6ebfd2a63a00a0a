-- What is told to people and to other programs: mails, and webhooks of merchants.

-- Who is sent events, and how they are signed. Secrets stand here as they are, for signing needs
-- them whole: whoever can read this table can read the orders too.
CREATE TABLE webhook_endpoints (
    id uuid CONSTRAINT webhook_endpoints_pkey PRIMARY KEY,
    url text NOT NULL,
    -- types of events; none means all of them
    events text[] NOT NULL DEFAULT '{}',
    secret bytea NOT NULL,
    -- signs beside the new one until then
    previous_secret bytea,
    previous_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- since when every try has failed
    failing_since timestamptz,
    disabled_at timestamptz,
    -- `asked`, `gone` or `failing`
    disabled_why text CONSTRAINT webhook_endpoints_why_check
        CHECK (disabled_why IN ('asked', 'gone', 'failing')),
    CONSTRAINT webhook_endpoints_previous_check
        CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CONSTRAINT webhook_endpoints_disabled_check
        CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);

-- An event on its way to an endpoint, and afterwards the log of it.
CREATE TABLE webhook_deliveries (
    -- also the header `webhook-id`, the same with every try
    id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
    endpoint_id uuid NOT NULL CONSTRAINT webhook_deliveries_endpoint_fkey
        REFERENCES webhook_endpoints,
    event_id uuid NOT NULL,
    kind text NOT NULL,
    body bytea NOT NULL,
    status text NOT NULL DEFAULT 'waiting' CONSTRAINT webhook_deliveries_status_check
        CHECK (status IN ('waiting', 'delivered', 'dead')),
    -- grows with every owner
    attempt integer NOT NULL DEFAULT 0,
    -- the time of the next try, or, while somebody tries, the end of his lease
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz,
    took_ms integer,
    -- what the endpoint answered at last
    answer smallint,
    last_error text,
    CONSTRAINT webhook_deliveries_event_key UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_try_at)
    WHERE status = 'waiting';
CREATE INDEX webhook_deliveries_log_idx ON webhook_deliveries (endpoint_id, created_at DESC);
CREATE INDEX webhook_deliveries_done_idx ON webhook_deliveries (created_at)
    WHERE status = 'delivered';

-- A mail to send, and afterwards that it was. Address and text are made of the order at the time
-- of sending, so that nobody's address stands here.
CREATE TABLE mails (
    -- the Message-ID is made of it
    id uuid CONSTRAINT mails_pkey PRIMARY KEY,
    kind text NOT NULL CONSTRAINT mails_kind_check CHECK (kind IN
        ('order-paid', 'payment-failed', 'order-refunded', 'endpoint-disabled')),
    -- what it tells of: one mail of a kind for each
    event_id uuid NOT NULL,
    order_id uuid CONSTRAINT mails_order_fkey REFERENCES orders,
    -- what was given back
    amount_minor bigint,
    endpoint_id uuid CONSTRAINT mails_endpoint_fkey REFERENCES webhook_endpoints,
    status text NOT NULL DEFAULT 'waiting' CONSTRAINT mails_status_check
        CHECK (status IN ('waiting', 'sent', 'dead')),
    -- grows with every owner
    attempt integer NOT NULL DEFAULT 0,
    -- tries that failed for a reason of its own, and not for want of a server
    failures integer NOT NULL DEFAULT 0,
    -- the time of the next try, or, while somebody tries, the end of his lease
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    last_error text,
    CONSTRAINT mails_event_key UNIQUE (kind, event_id),
    CONSTRAINT mails_subject_check CHECK ((kind = 'endpoint-disabled') = (endpoint_id IS NOT NULL)
        AND (endpoint_id IS NULL) <> (order_id IS NULL)
        AND (kind = 'order-refunded') = (amount_minor IS NOT NULL))
);
CREATE INDEX mails_due_idx ON mails (next_try_at) WHERE status = 'waiting';
CREATE INDEX mails_done_idx ON mails (done_at) WHERE status = 'sent';
