-- Money: who moves it, what is given back, and what a provider tells us by itself.

ALTER TABLE orders
    -- which adapter moves the money of this order, now and when it is given back
    ADD COLUMN provider text NOT NULL DEFAULT 'sandbox',
    -- the provider's own name for the payment, and where it wants to see the shopper
    ADD COLUMN payment_reference text,
    ADD COLUMN payment_action text,
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0
        CONSTRAINT orders_refunded_check CHECK (refunded_minor BETWEEN 0 AND total_minor);

ALTER TABLE order_lines
    -- units whose price was given back
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0
        CONSTRAINT order_lines_refunded_check CHECK (refunded BETWEEN 0 AND quantity),
    -- those of them that are on sale again; damaged ones are not
    ADD COLUMN restocked bigint NOT NULL DEFAULT 0
        CONSTRAINT order_lines_restocked_check CHECK (restocked BETWEEN 0 AND refunded);

-- A checkout that waits for a provider tries less and less often, and then for an operator.
ALTER TABLE checkouts
    -- in a row at the present step, that came to nothing
    ADD COLUMN tries integer NOT NULL DEFAULT 0,
    -- whether somebody carries it; if nobody does, it may be taken over before its time
    ADD COLUMN owned boolean NOT NULL DEFAULT true,
    -- the merchant wants it to come to nothing
    ADD COLUMN cancelled boolean NOT NULL DEFAULT false,
    -- nobody tries any more; see dead_letters
    ADD COLUMN parked_at timestamptz,
    DROP CONSTRAINT checkouts_step_check,
    ADD CONSTRAINT checkouts_step_check CHECK (step IN
        ('begin', 'prepare', 'authorise', 'settle', 'capture', 'finish', 'void', 'abort', 'done'));

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
    owned boolean NOT NULL DEFAULT true,
    lease_until timestamptz NOT NULL
);
CREATE INDEX refunds_order_idx ON refunds (order_id);
CREATE INDEX refunds_open_idx ON refunds (lease_until) WHERE step IN ('refund', 'restock');

-- The sandbox provider's own book of refunds.
CREATE TABLE sandbox_refunds (
    key uuid CONSTRAINT sandbox_refunds_pkey PRIMARY KEY,
    payment_key uuid NOT NULL
        CONSTRAINT sandbox_refunds_payment_fkey REFERENCES sandbox_payments (key),
    amount bigint NOT NULL CONSTRAINT sandbox_refunds_amount_check CHECK (amount > 0)
);
CREATE INDEX sandbox_refunds_payment_idx ON sandbox_refunds (payment_key);

-- What a provider told us by itself: stored first, handled after.
CREATE TABLE payment_notices (
    provider text NOT NULL,
    -- the provider's id of the notice: told twice, it is stored once
    notice_id text NOT NULL,
    kind text NOT NULL,
    -- the order that it says it is about
    order_id uuid,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL,
    handled_at timestamptz,
    CONSTRAINT payment_notices_pkey PRIMARY KEY (provider, notice_id)
);
CREATE INDEX payment_notices_open_idx ON payment_notices (next_try_at) WHERE handled_at IS NULL;
CREATE INDEX payment_notices_received_idx ON payment_notices (received_at);
