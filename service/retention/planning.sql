-- name: retention_verdicts
-- A part of other queries; its parameters are fragments (planning.py). A row for each package that a rule is about
-- which deletes. rule: the number in the plan of the rule that decides. OFFSET 0: each condition is evaluated once.
-- is_held: as deletion_hold_on says, whose call for each project would take most of the time of a plan over thousands.
SELECT p.id AS package_id, p.project_id, p.root_group_id, p.package_type, p.name, p.version, p.status,
       p.shown_files AS files, p.shown_bytes AS bytes,
       CASE WHEN p.deleting IS NULL OR p.keeping IS NOT NULL THEN 'kept'
            WHEN p.is_held OR p.is_protected THEN 'refused' ELSE 'deleted' END COLLATE "C" AS verdict,
       CASE WHEN p.deleting IS NULL THEN p.concerning ELSE coalesce(p.keeping, p.deleting) END AS rule,
       CASE WHEN p.deleting IS NULL THEN :excepting WHEN p.keeping IS NOT NULL THEN 'rule'
            WHEN p.is_held THEN 'hold' WHEN p.is_protected THEN 'protected' END COLLATE "C" AS reason
  FROM (SELECT p.*, :deleting AS deleting, :concerning AS concerning, :keeping AS keeping,
               p.package_type = ANY(p.protected_types) AND EXISTS (
                   SELECT FROM protection_rule r
                    WHERE r.project_id = p.project_id AND r.package_type = p.package_type
                      AND r.minimum_access_level_for_delete > :level AND name_matches(p.name, r.package_name_pattern)
               ) AS is_protected
          FROM (SELECT p.id, p.project_id, p.package_type, p.name, p.version, p.status, p.created_at, p.arrived_at,
                       p.last_downloaded_at, p.shown_files, p.shown_bytes, w.ancestry, w.ancestry[1] AS root_group_id,
                       w.is_held, w.protected_types, :rank AS rank
                  FROM (SELECT j.id, g.ancestry,
                               j.deletion_hold IS NOT NULL
                               OR EXISTS (SELECT FROM directory_group h
                                           WHERE h.id = ANY(g.ancestry) AND h.deletion_hold IS NOT NULL) AS is_held,
                               ARRAY(SELECT r.package_type FROM protection_rule r
                                      WHERE r.project_id = j.id AND r.minimum_access_level_for_delete > :level
                                    ) AS protected_types
                          FROM project j JOIN directory_group g ON g.id = j.group_id
                         WHERE :projects OFFSET 0) w
                  JOIN package p ON p.project_id = w.id
                 WHERE p.status IN statuses(DISPLAYABLE) AND p.version IS NOT NULL AND :packages) p
        OFFSET 0) p
 WHERE p.concerning IS NOT NULL;

-- name: retention_totals
-- Composed: see planning.py.
SELECT v.project_id, v.root_group_id, v.verdict, v.rule, v.reason, count(*) AS packages, sum(v.files)::bigint AS files,
       sum(v.bytes)::bigint AS bytes
  FROM ({verdicts}) v GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 4, 5;

-- name: retention_list
-- Composed: see planning.py.
SELECT v.package_id, v.project_id, v.package_type, v.name, v.version, v.status, v.files, v.bytes, v.verdict, v.rule,
       v.reason
  FROM ({verdicts}) v ORDER BY v.project_id, v.package_id;

-- name: retention_page
-- Composed: see planning.py. The totals, and a page of the list.
WITH v AS MATERIALIZED ({verdicts}), totals AS (
    SELECT v.project_id, v.root_group_id, v.verdict, v.rule, v.reason, count(*) AS packages,
           sum(v.files)::bigint AS files, sum(v.bytes)::bigint AS bytes
      FROM v GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 4, 5
), page AS (
    SELECT v.package_id, v.project_id, v.package_type, v.name, v.version, v.status, v.files, v.bytes, v.verdict, v.rule,
           v.reason
      FROM v
     WHERE (v.project_id, v.package_id) > ({project}, {package}) AND ({wanted} IS NULL OR v.verdict = {wanted})
     ORDER BY v.project_id, v.package_id LIMIT {limit}
)
SELECT coalesce((SELECT jsonb_agg(to_jsonb(t)) FROM totals t), '[]') AS totals,
       coalesce((SELECT jsonb_agg(to_jsonb(l) ORDER BY l.project_id, l.package_id) FROM page l), '[]') AS list;

-- name: retention_paths
SELECT j.id, j.path FROM project j WHERE j.id = ANY(:ids::bigint[]);

-- name: store_retention_plan
-- Composed: see planning.py. Keeps what goes and what is refused, and the ids of what stays; answers as
-- retention_totals does.
WITH v AS MATERIALIZED ({verdicts}), stored AS (
    INSERT INTO retention_item (run_id, package_id, project_id, package_type, name, version, files, bytes, outcome,
                                reason)
    SELECT {run_id}, v.package_id, v.project_id, v.package_type, v.name, v.version, v.files, v.bytes,
           CASE v.verdict WHEN 'deleted' THEN 'planned' ELSE 'refused' END, v.reason
      FROM v WHERE v.verdict <> 'kept'
), kept AS (
    INSERT INTO retention_kept (run_id, project_id, rule_id, rule, reason, package_ids)
    SELECT {run_id}, k.project_id, ({rule_ids})[k.rule + 1], ({rules})[k.rule + 1], k.reason, array_agg(k.package_id)
      FROM (SELECT v.project_id, v.rule, v.reason, v.package_id,
                   (row_number() OVER (PARTITION BY v.project_id, v.rule, v.reason) - 1) / {together} AS part
              FROM v WHERE v.verdict = 'kept') k
     GROUP BY k.project_id, k.rule, k.reason, k.part
)
SELECT v.project_id, v.root_group_id, v.verdict, v.rule, v.reason, count(*) AS packages, sum(v.files)::bigint AS files,
       sum(v.bytes)::bigint AS bytes
  FROM v GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 4, 5;

-- name: listed_packages
-- How many packages a share of a project is a share of.
SELECT p.project_id, count(*) AS packages FROM package p
 WHERE p.project_id = ANY(:project_ids::bigint[]) AND p.status IN statuses(DISPLAYABLE) AND p.version IS NOT NULL
 GROUP BY 1;
