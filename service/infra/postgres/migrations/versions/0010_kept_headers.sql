-- An answer is more than its body; what an older version keeps has no header fields of its own.

-- step: header fields beside the body
ALTER TABLE kept_answer ADD COLUMN IF NOT EXISTS headers jsonb NOT NULL DEFAULT '{}';
