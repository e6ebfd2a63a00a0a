-- The shop: what is on sale, what is set aside, what is ordered.

-- Every change of a sale's totals and terms draws a revision of its own, never given twice, not
-- even after a rollback.
CREATE SEQUENCE revisions AS bigint;

CREATE TABLE sales (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT sales_pkey PRIMARY KEY,
    slug text NOT NULL CONSTRAINT sales_slug_key UNIQUE,
    title text NOT NULL,
    currency text NOT NULL CONSTRAINT sales_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    hold_ms bigint NOT NULL CONSTRAINT sales_hold_check CHECK (hold_ms > 0),
    limit_per_shopper integer NOT NULL CONSTRAINT sales_limit_check CHECK (limit_per_shopper > 0),
    paused boolean NOT NULL DEFAULT false,
    revision bigint NOT NULL,
    -- offsets such as "+2m" in the sale's file count from here
    first_imported_at timestamptz NOT NULL,
    -- an import found it open: prices, hold and currency stay, even when it is put off
    fixed boolean NOT NULL DEFAULT false,
    CONSTRAINT sales_order_check CHECK (starts_at < ends_at)
);

CREATE TABLE images (
    -- SHA-256 of the bytes, in hexadecimal: part of an immutable URL
    hash text CONSTRAINT images_pkey PRIMARY KEY,
    content_type text NOT NULL,
    bytes bytea NOT NULL
);

CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT products_pkey PRIMARY KEY,
    sale_id bigint NOT NULL CONSTRAINT products_sale_fkey REFERENCES sales,
    slug text NOT NULL,
    title text NOT NULL,
    description text NOT NULL DEFAULT '',
    image_hash text CONSTRAINT products_image_fkey REFERENCES images,
    limit_per_shopper integer
        CONSTRAINT products_limit_check CHECK (limit_per_shopper > 0),
    position integer NOT NULL,
    CONSTRAINT products_slug_key UNIQUE (sale_id, slug)
);

CREATE TABLE skus (
    sale_id bigint NOT NULL CONSTRAINT skus_sale_fkey REFERENCES sales,
    sku text NOT NULL,
    product_id bigint NOT NULL CONSTRAINT skus_product_fkey REFERENCES products,
    label text NOT NULL,
    price_minor bigint NOT NULL CONSTRAINT skus_price_check CHECK (price_minor >= 0),
    total bigint NOT NULL CONSTRAINT skus_total_check CHECK (total >= 0),
    position integer NOT NULL,
    CONSTRAINT skus_pkey PRIMARY KEY (sale_id, sku)
);

-- The openings of a sale's stock in Redis. The epoch row is what an opening updates and what the
-- recording of a checkout's outcome locks in share mode.
CREATE TABLE openings (
    sale_id bigint NOT NULL CONSTRAINT openings_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL DEFAULT 0,
    -- 0: never opened
    epoch bigint NOT NULL DEFAULT 0,
    -- epochs that may have a binding in the broker
    bound_epochs bigint[] NOT NULL DEFAULT '{}',
    -- the newest barrier that the writer has taken over
    barrier_epoch bigint NOT NULL DEFAULT 0,
    CONSTRAINT openings_pkey PRIMARY KEY (sale_id, bucket)
);

-- Counts as the flusher last saw them: for people to read, never read back into Redis.
CREATE TABLE stock_counts (
    sale_id bigint NOT NULL CONSTRAINT stock_counts_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL,
    sku text NOT NULL,
    total bigint NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    sold bigint NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    flushed_at timestamptz NOT NULL,
    CONSTRAINT stock_counts_pkey PRIMARY KEY (sale_id, bucket, sku)
);

-- One row a minute and SKU, the last of that minute.
CREATE TABLE stock_history (
    sale_id bigint NOT NULL CONSTRAINT stock_history_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL,
    sku text NOT NULL,
    minute timestamptz NOT NULL,
    total bigint NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    sold bigint NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT stock_history_pkey PRIMARY KEY (sale_id, bucket, sku, minute)
);

-- The cart stream as this database knows it. A broker that comes back empty gets the next
-- generation, whose offsets begin at 0.
CREATE TABLE cart_streams (
    stream smallint CONSTRAINT cart_streams_pkey PRIMARY KEY,
    generation bigint NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    -- set with a new generation, cleared when every claim was published to it again
    republish boolean NOT NULL DEFAULT false,
    -- when the writer had last taken over all there was
    caught_up_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE cart_lines (
    sale_id bigint NOT NULL CONSTRAINT cart_lines_sale_fkey REFERENCES sales,
    shopper_id uuid NOT NULL,
    sku text NOT NULL,
    quantity bigint NOT NULL CONSTRAINT cart_lines_quantity_check CHECK (quantity >= 0),
    expires_at timestamptz,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT cart_lines_pkey PRIMARY KEY (sale_id, shopper_id, sku)
);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dead_letters_pkey PRIMARY KEY,
    source text NOT NULL,
    -- where it stood: stream generation and offset
    position text NOT NULL,
    reason text NOT NULL,
    payload bytea NOT NULL,
    failed_at timestamptz NOT NULL,
    replayed_at timestamptz
);

CREATE TABLE orders (
    id uuid CONSTRAINT orders_pkey PRIMARY KEY,
    sale_id bigint NOT NULL CONSTRAINT orders_sale_fkey REFERENCES sales,
    shopper_id uuid NOT NULL,
    status text NOT NULL CONSTRAINT orders_status_check
        CHECK (status IN ('pending', 'paid', 'declined', 'cancelled', 'refunded')),
    -- why it was declined or cancelled
    reason text,
    email text NOT NULL,
    shipping jsonb NOT NULL,
    currency text NOT NULL,
    total_minor bigint NOT NULL CONSTRAINT orders_total_check CHECK (total_minor >= 0),
    created_at timestamptz NOT NULL,
    paid_at timestamptz,
    CONSTRAINT orders_paid_check CHECK (status NOT IN ('paid', 'refunded') OR paid_at IS NOT NULL)
);
CREATE INDEX orders_shopper_idx ON orders (shopper_id, created_at DESC);
CREATE INDEX orders_sale_idx ON orders (sale_id, status);

CREATE TABLE order_lines (
    order_id uuid NOT NULL CONSTRAINT order_lines_order_fkey REFERENCES orders,
    sku text NOT NULL,
    title text NOT NULL,
    quantity bigint NOT NULL CONSTRAINT order_lines_quantity_check CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL,
    CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, sku)
);

-- One row a checkout. `step` is what is about to be done; it is written before its effect.
CREATE TABLE checkouts (
    order_id uuid CONSTRAINT checkouts_pkey PRIMARY KEY
        CONSTRAINT checkouts_order_fkey REFERENCES orders,
    sale_id bigint NOT NULL CONSTRAINT checkouts_sale_fkey REFERENCES sales,
    bucket smallint NOT NULL,
    shopper_id uuid NOT NULL,
    step text NOT NULL CONSTRAINT checkouts_step_check CHECK (step IN
        ('begin', 'authorise', 'settle', 'capture', 'finish', 'void', 'abort', 'done')),
    -- grows with every owner
    attempt integer NOT NULL,
    -- an owner's lease, or, when nobody owns it, the time of the next try
    lease_until timestamptz NOT NULL,
    payment_method text NOT NULL,
    -- what an undone checkout ends as: the order's status and reason
    outcome text,
    reason text
);
CREATE INDEX checkouts_open_idx ON checkouts (lease_until) WHERE step <> 'done';
CREATE INDEX checkouts_open_sale_idx ON checkouts (sale_id) WHERE step <> 'done';

CREATE TABLE idempotency_keys (
    shopper_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    order_id uuid NOT NULL CONSTRAINT idempotency_keys_order_fkey REFERENCES orders,
    keep_until timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (shopper_id, key)
);
CREATE INDEX idempotency_keys_keep_idx ON idempotency_keys (keep_until);

-- The sandbox provider's own book, against which tests and audits reconcile.
CREATE TABLE sandbox_payments (
    -- the order's id: one charge at most under a key
    key uuid CONSTRAINT sandbox_payments_pkey PRIMARY KEY,
    amount bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL CONSTRAINT sandbox_payments_status_check
        CHECK (status IN ('authorised', 'declined', 'captured', 'voided', 'refunded')),
    -- an answer that a slow method gives later is not known before
    known_at timestamptz NOT NULL
);
