-- name: list_packages
-- Composed: see package_rows.list_packages. A page beyond the end still has the total.
WITH page AS (
    SELECT p.* FROM {source} ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package p WHERE p.project_id = ANY({projects}) AND {conditions}
         LIMIT {count_limit}) counted
)
SELECT total.total, p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines,
       (SELECT j.path FROM project j WHERE j.id = p.project_id) AS project_path
  FROM total LEFT JOIN page p ON true
 ORDER BY {order};

-- name: list_packages_behind
-- Composed: the same without a total, from a position on.
SELECT p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines,
       (SELECT j.path FROM project j WHERE j.id = p.project_id) AS project_path
  FROM (SELECT p.* FROM {source} ORDER BY {order} LIMIT {limit} OFFSET {offset}) p
 ORDER BY {order};

-- name: find_package
SELECT p.*, package_tags(p.id) AS tags, package_pipelines(p.id) AS pipelines
  FROM package p
 WHERE p.id = :package_id AND p.project_id = :project_id AND p.status = ANY(:statuses::text[]);

-- name: list_files
-- Composed: see package_rows.list_files.
WITH page AS (
    SELECT f.* FROM package_file f
     WHERE f.package_id = {package_id} AND f.status = ANY({statuses})
     ORDER BY {order} LIMIT {limit} OFFSET {offset}
), total AS (
    SELECT count(*) AS total FROM (
        SELECT FROM package_file f
         WHERE f.package_id = {package_id} AND f.status = ANY({statuses})
         LIMIT {count_limit}) counted
)
SELECT total.total, f.*, package_file_pipelines(f.id) AS pipelines
  FROM total LEFT JOIN page f ON true
 ORDER BY {order};

-- name: find_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package_file f JOIN package p ON p.id = f.package_id
 WHERE f.id = :package_file_id AND f.package_id = :package_id AND f.status = :status;

-- name: pipelines_behind
SELECT pipeline_entity(p) AS pipeline
  FROM package_build b JOIN pipeline p ON p.id = b.pipeline_id
 WHERE b.package_id = :package_id AND (:position::bigint IS NULL OR b.pipeline_id < :position)
 ORDER BY b.pipeline_id DESC LIMIT :limit;

-- name: pipelines_before
SELECT pipeline_entity(p) AS pipeline
  FROM package_build b JOIN pipeline p ON p.id = b.pipeline_id
 WHERE b.package_id = :package_id AND (:position::bigint IS NULL OR b.pipeline_id > :position)
 ORDER BY b.pipeline_id ASC LIMIT :limit;

-- name: find_newest_file
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
 WHERE p.project_id = :project_id AND p.package_type = 'generic' AND p.name = :name AND p.version = :version
   AND p.status IN statuses(INSTALLABLE) AND f.file_name = :file_name AND f.status IN statuses(INSTALLABLE_FILES)
 ORDER BY f.id DESC LIMIT 1;

-- name: note_first_download!
-- A download waits for no lock: if the package is locked, the note is written later, with the others.
UPDATE package p SET last_downloaded_at = :moment
 WHERE p.id IN (SELECT id FROM package WHERE id = :package_id AND last_downloaded_at IS NULL
                   FOR NO KEY UPDATE SKIP LOCKED);

-- name: note_downloads!
-- Locks in the order of ids, so that two processes that write the same packages never wait for each other in a circle.
WITH noted AS (
    SELECT p.id, d.moment
      FROM package p JOIN unnest(:package_ids::bigint[], :moments::timestamptz[]) AS d(id, moment) ON d.id = p.id
     WHERE p.last_downloaded_at IS NULL OR p.last_downloaded_at < d.moment - interval '1 minute'
     ORDER BY p.id
       FOR NO KEY UPDATE OF p
)
UPDATE package p SET last_downloaded_at = noted.moment FROM noted WHERE noted.id = p.id;
