-- Numbers of a sale: what happened in each minute, and when what was gone.

ALTER TABLE orders
    -- when it came to nothing; one that an earlier version ended has none, and counts by created_at
    ADD COLUMN ended_at timestamptz;

CREATE INDEX orders_paid_idx ON orders (sale_id, paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX orders_ended_idx ON orders (sale_id, (COALESCE(ended_at, created_at)))
    WHERE status IN ('declined', 'cancelled');
CREATE INDEX refunds_refunded_idx ON refunds (refunded_at) WHERE refunded_at IS NOT NULL;

-- Orders by minute: counted from the orders themselves, whole, whenever the minute is due.
CREATE TABLE sale_minutes (
    sale_id bigint NOT NULL CONSTRAINT sale_minutes_sale_fkey REFERENCES sales,
    minute timestamptz NOT NULL,
    -- by when they were paid, later refunds or not
    orders bigint NOT NULL DEFAULT 0,
    units bigint NOT NULL DEFAULT 0,
    revenue_minor bigint NOT NULL DEFAULT 0,
    -- by when they came to nothing
    declined bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    -- by when the money was given back
    refunds bigint NOT NULL DEFAULT 0,
    refunded_minor bigint NOT NULL DEFAULT 0,
    -- something happened in it that is not counted yet
    due boolean NOT NULL DEFAULT true,
    CONSTRAINT sale_minutes_pkey PRIMARY KEY (sale_id, minute)
);
CREATE INDEX sale_minutes_due_idx ON sale_minutes (sale_id, minute) WHERE due;

-- What was ordered before there were statistics.
INSERT INTO sale_minutes (sale_id, minute)
SELECT sale_id, date_trunc('minute', COALESCE(paid_at, created_at)) FROM orders
WHERE status <> 'pending' GROUP BY 1, 2;

-- Redis' running sums, which begin at 0 with each epoch: one row a minute, the last of it.
CREATE TABLE stock_sums (
    sale_id bigint NOT NULL CONSTRAINT stock_sums_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL,
    sku text NOT NULL,
    epoch bigint NOT NULL,
    minute timestamptz NOT NULL,
    seq bigint NOT NULL,
    -- how often a line was set to more, and the units that were taken by it
    lines bigint NOT NULL,
    taken bigint NOT NULL,
    -- units put back on the shelf, those that ran out among them
    given bigint NOT NULL,
    expired bigint NOT NULL,
    -- how often more was asked for than was available
    refused bigint NOT NULL,
    CONSTRAINT stock_sums_pkey PRIMARY KEY (sale_id, bucket, sku, epoch, minute)
);

-- When nothing of a SKU was available any more, as the flusher saw it.
CREATE TABLE sold_out_times (
    sale_id bigint NOT NULL CONSTRAINT sold_out_times_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL,
    sku text NOT NULL,
    -- for the first time; null when it never was
    first_at timestamptz,
    -- since when it is; null when it is not
    since timestamptz,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT sold_out_times_pkey PRIMARY KEY (sale_id, bucket, sku)
);
