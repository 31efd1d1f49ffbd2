-- Protection rules of projects.

-- name: is_push_protected
-- A name is protected under each of its spellings.
SELECT EXISTS (SELECT FROM protection_rule r
                WHERE r.project_id = :project_id AND r.package_type = :package_type
                  AND r.minimum_access_level_for_push > :level
                  AND (name_matches(:name, r.package_name_pattern)
                       OR name_matches(normal_name(:package_type, :name),
                                       normal_name(:package_type, r.package_name_pattern)))) AS is_protected;

-- name: protection_rules
SELECT protection_rule(r.*) FROM protection_rule r WHERE r.project_id = :project_id ORDER BY r.id LIMIT :limit;

-- name: lock_protection_rule
SELECT protection_rule(r.*) FROM protection_rule r WHERE r.project_id = :project_id AND r.id = :id FOR UPDATE;

-- name: add_protection_rule
-- Nothing if the project has as many rules as it may have.
INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push,
                             minimum_access_level_for_delete)
SELECT :project_id, :package_type, :package_name_pattern, :push_level::smallint, :delete_level::smallint
 WHERE (SELECT count(*) FROM protection_rule WHERE project_id = :project_id) < :most
RETURNING protection_rule(protection_rule.*);

-- name: change_protection_rule
UPDATE protection_rule
   SET (package_type, package_name_pattern, minimum_access_level_for_push, minimum_access_level_for_delete, updated_at)
     = (:package_type, :package_name_pattern, :push_level::smallint, :delete_level::smallint, now())
 WHERE id = :id
RETURNING protection_rule(protection_rule.*);

-- name: remove_protection_rule!
DELETE FROM protection_rule WHERE id = :id;
