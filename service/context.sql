-- name: any_file
SELECT 1 FROM package_file LIMIT 1;

-- name: instance_id
SELECT id FROM instance;
