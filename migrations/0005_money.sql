-- Money: who moves it, what is given back, and what a provider tells us by itself.

ALTER TABLE orders
    -- which adapter moves the money of this order, now and when it is given back
    ADD COLUMN provider text NOT NULL DEFAULT 'sandbox',
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT orders_refunded_check CHECK (refunded_minor BETWEEN 0 AND total_minor);

ALTER TABLE order_lines
    -- units whose price was given back
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0
        CONSTRAINT order_lines_refunded_check CHECK (refunded BETWEEN 0 AND quantity),
    -- those of them that are on sale again; damaged ones are not
    ADD COLUMN restocked bigint NOT NULL DEFAULT 0
        CONSTRAINT order_lines_restocked_check CHECK (restocked BETWEEN 0 AND refunded);

-- A refund is a saga of its own. `step` is what is about to be done.
CREATE TABLE refunds (
    id uuid CONSTRAINT refunds_pkey PRIMARY KEY,
    order_id uuid NOT NULL CONSTRAINT refunds_order_fkey REFERENCES orders,
    amount_minor bigint NOT NULL CONSTRAINT refunds_amount_check CHECK (amount_minor >= 0),
    -- units by SKU: {"sku": {"quantity": 1, "restock": true}}
    lines jsonb NOT NULL,
    reason text,
    step text NOT NULL CONSTRAINT refunds_step_check CHECK (step IN
        ('refund', 'restock', 'done', 'failed')),
    -- why the provider refused it
    failure text,
    created_at timestamptz NOT NULL,
    -- when the money was given back
    refunded_at timestamptz,
    attempt integer NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL
);
CREATE INDEX refunds_order_idx ON refunds (order_id);
CREATE INDEX refunds_open_idx ON refunds (lease_until) WHERE step IN ('refund', 'restock');
