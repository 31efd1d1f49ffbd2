-- name: advance_ids!
-- Numbers up to the highest are never given out again. A short way is gone step by step, which is safe
-- while other sessions take numbers. Over a long way a jump is safe, since those sessions cannot get so far.
WITH sequence AS MATERIALIZED (
    SELECT s.name, :highest::bigint - coalesce(pg_sequence_last_value(s.name), 0) AS way
      FROM (SELECT pg_get_serial_sequence(:table_name::text, 'id')::regclass AS name) s
)
SELECT max(moved.number) FROM (
    SELECT setval(name, :highest::bigint) AS number FROM sequence WHERE way > 10000
     UNION ALL
    SELECT nextval(name) FROM sequence, generate_series(1, least(way, 10000)) WHERE way BETWEEN 1 AND 10000
) moved;

-- name: allocate_ids
WITH sequence AS MATERIALIZED (SELECT pg_get_serial_sequence(:table_name::text, 'id')::regclass AS name)
SELECT nextval(name) AS id FROM sequence, generate_series(1, :count::bigint);
