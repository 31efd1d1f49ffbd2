-- name: helm_charts
-- The newest file of a channel for each package, the newest packages first, while their metadata are not too long.
-- The index has its own values for three keys, which therefore are left out of the metadata.
SELECT c.name, c.version, c.sha256, c.created_at, c.metadata
  FROM (SELECT c.*, sum(octet_length(c.metadata)) OVER (ORDER BY c.id DESC) AS so_far
          FROM (SELECT DISTINCT ON (p.id) p.id, f.sha256, f.created_at,
                       f.details -> 'metadata' ->> 'name' AS name, f.details -> 'metadata' ->> 'version' AS version,
                       ((f.details -> 'metadata') - ARRAY['created', 'digest', 'urls'])::text AS metadata
                  FROM package p JOIN package_file f ON f.package_id = p.id
                 WHERE p.project_id = :project_id AND p.package_type = 'helm' AND p.status IN statuses(INSTALLABLE)
                   AND f.status IN statuses(INSTALLABLE_FILES) AND f.details ->> 'channel' = :channel
                   AND f.details ? 'metadata'
                 ORDER BY p.id DESC, f.id DESC LIMIT :limit) c) c
 WHERE c.so_far <= :most_bytes
 ORDER BY c.id DESC;

-- name: helm_file
-- A provenance file belongs to the chart with which it came, and is served only while that is the newest.
SELECT f.id, f.package_id, f.file_name, f.size, f.sha256, f.storage_key, p.last_downloaded_at
  FROM package p JOIN package_file f ON f.package_id = p.id
  JOIN unnest(:names::text[], :versions::text[]) AS w(name, version) ON (p.name, p.version) = (w.name, w.version)
 WHERE p.project_id = :project_id AND p.package_type = 'helm' AND p.status IN statuses(INSTALLABLE)
   AND f.file_name = :file_name AND f.status IN statuses(INSTALLABLE_FILES) AND f.details ->> 'channel' = :channel
   AND (f.details ->> 'chart_sha256' IS NULL
        OR f.details ->> 'chart_sha256' = (SELECT encode(c.sha256, 'hex') FROM package_file c
                                            WHERE c.package_id = p.id AND c.status IN statuses(INSTALLABLE_FILES)
                                              AND c.details ->> 'channel' = :channel AND c.details ? 'metadata'
                                            ORDER BY c.id DESC LIMIT 1))
 ORDER BY f.id DESC LIMIT 1;
