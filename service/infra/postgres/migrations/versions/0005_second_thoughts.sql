-- Holds, late undoing, bulk calls and idempotency keys for deletions. Each table is changed in a step of its own. A
-- step that locked two of them would wait for readers that have locked one and want the other.

-- step: what groups say of deletions
-- As long as there is a reason, nothing below the project or group is deleted. Waiting deletions continue when the hold
-- is lifted.
-- grace_periods: type of package -> interval, for those for which it is another one. Null: as the group around says.
ALTER TABLE directory_group
    ADD COLUMN IF NOT EXISTS deletion_hold text,
    ADD COLUMN IF NOT EXISTS grace_period interval,
    ADD COLUMN IF NOT EXISTS grace_periods jsonb;

-- step: what projects say of deletions
ALTER TABLE project
    ADD COLUMN IF NOT EXISTS deletion_hold text,
    ADD COLUMN IF NOT EXISTS grace_period interval,
    ADD COLUMN IF NOT EXISTS grace_periods jsonb;

-- step: the nearest that says anything
-- The reason of the nearest hold on a project; null where there is none.
CREATE OR REPLACE FUNCTION deletion_hold_on(project_id bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN
    (SELECT coalesce(p.deletion_hold,
                (SELECT a.deletion_hold FROM directory_group a
                  WHERE a.id = ANY(g.ancestry) AND a.deletion_hold IS NOT NULL
                  ORDER BY cardinality(a.ancestry) DESC LIMIT 1))
       FROM project p JOIN directory_group g ON g.id = p.group_id WHERE p.id = $1);

-- How long a marked package of that type can be restored: the nearest place that has a value decides.
CREATE OR REPLACE FUNCTION grace_of(project_id bigint, package_type text, otherwise interval) RETURNS interval
    LANGUAGE sql STABLE PARALLEL SAFE RETURN coalesce(
    (SELECT coalesce((p.grace_periods ->> $2)::interval, p.grace_period,
                (SELECT coalesce((a.grace_periods ->> $2)::interval, a.grace_period) FROM directory_group a
                  WHERE a.id = ANY(g.ancestry) AND (a.grace_period IS NOT NULL OR a.grace_periods ? $2)
                  ORDER BY cardinality(a.ancestry) DESC LIMIT 1))
       FROM project p JOIN directory_group g ON g.id = p.group_id WHERE p.id = $1), $3);

-- step: what a deletion remembers
-- batch_id: the call that asked for many together. removal_began_at: the first moment at which an object may have gone.
-- held: the scheduler found it under a hold. restored_as: the version under which it came back, if it is another.
ALTER TABLE deletion
    ADD COLUMN IF NOT EXISTS batch_id uuid,
    ADD COLUMN IF NOT EXISTS removal_began_at timestamptz,
    ADD COLUMN IF NOT EXISTS grace_waived boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS held boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS restored_as text;

-- Kept by a trigger, so that workers of the release before need not know of it.
CREATE OR REPLACE FUNCTION note_beginning_of_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.removal_began_at := now();
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER note_beginning_of_removal BEFORE UPDATE OF state ON deletion FOR EACH ROW
    WHEN (NEW.state = 'destroying' AND OLD.removal_began_at IS NULL)
    EXECUTE FUNCTION note_beginning_of_removal();

-- step: what was done and said
-- The requests of users about a deletion after it was accepted.
CREATE TABLE IF NOT EXISTS deletion_act (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deletion_id uuid NOT NULL REFERENCES deletion (id) ON DELETE CASCADE,
    action text NOT NULL CHECK (action IN ('restore', 'retry', 'destroy_now')),
    user_id bigint,
    credential text NOT NULL,
    request_id text,
    acted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS deletion_act_deletion ON deletion_act (deletion_id, id);

-- Answers that a client may ask for again: those to requests with an Idempotency-Key.
CREATE TABLE IF NOT EXISTS kept_answer (
    caller text NOT NULL,
    key text NOT NULL,
    request_digest bytea NOT NULL CHECK (octet_length(request_digest) = 32),
    status smallint NOT NULL,
    media text NOT NULL,
    body bytea NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);
CREATE INDEX IF NOT EXISTS kept_answer_age ON kept_answer (answered_at);
