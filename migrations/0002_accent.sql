-- The colour of a sale's buttons and links, such as #b3370a; without one, the shop's own.

ALTER TABLE sales ADD COLUMN accent text
    CONSTRAINT sales_accent_check CHECK (accent ~ '^#[0-9a-f]{6}$');
