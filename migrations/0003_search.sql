-- Products are found by their words, by the beginnings of words, and by titles that look alike.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

ALTER TABLE products ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (
    setweight(to_tsvector('simple', title), 'A') ||
    setweight(to_tsvector('simple', description), 'B')
) STORED;
CREATE INDEX products_words_idx ON products USING gin (words);
CREATE INDEX products_title_idx ON products USING gin (title gin_trgm_ops);
