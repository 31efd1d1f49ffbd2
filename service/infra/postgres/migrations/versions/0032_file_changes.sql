-- A count of the changes to the files of each package. While it stays the same, so do the files that can be installed. An
-- index of many packages is therefore known by one number of each, and none of their files has to be read.

-- step: the count
ALTER TABLE package ADD COLUMN IF NOT EXISTS file_changes integer NOT NULL DEFAULT 0;

-- step: counting
-- These functions write the package's row for its figures already. A file that is not counted in these yet, since it is
-- older than they are, changes no figure, but is shown.
CREATE OR REPLACE FUNCTION count_new_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, sum(f.size)
      FROM new_rows f JOIN package p ON p.id = f.package_id WHERE f.is_counted GROUP BY p.project_id, p.package_type;
    WITH changed AS (
        SELECT package_id, count(*) FILTER (WHERE is_counted) AS files,
               coalesce(sum(size) FILTER (WHERE is_counted), 0) AS bytes
          FROM new_rows WHERE is_shown_file(status) GROUP BY package_id
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files + l.files, shown_bytes = p.shown_bytes + l.bytes,
                         file_changes = p.file_changes + 1
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_old_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, -sum(f.size)
      FROM old_rows f JOIN package p ON p.id = f.package_id WHERE f.is_counted GROUP BY p.project_id, p.package_type;
    WITH changed AS (
        SELECT package_id, count(*) FILTER (WHERE is_counted) AS files,
               coalesce(sum(size) FILTER (WHERE is_counted), 0) AS bytes
          FROM old_rows WHERE is_shown_file(status) GROUP BY package_id
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files - l.files, shown_bytes = p.shown_bytes - l.bytes,
                         file_changes = p.file_changes + 1
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION count_changed_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO package_statistic_change (project_id, package_type, physical_bytes)
    SELECT p.project_id, p.package_type, sum(f.bytes)
      FROM (SELECT package_id, size AS bytes FROM new_rows WHERE is_counted
             UNION ALL
            SELECT package_id, -size FROM old_rows WHERE is_counted) f
      JOIN package p ON p.id = f.package_id
     GROUP BY p.project_id, p.package_type HAVING sum(f.bytes) <> 0;
    WITH changed AS (
        SELECT package_id, coalesce(sum(way) FILTER (WHERE is_counted), 0) AS files,
               coalesce(sum(way * size) FILTER (WHERE is_counted), 0) AS bytes
          FROM (SELECT 1 AS way, id, package_id, size, status, is_counted FROM new_rows WHERE is_shown_file(status)
                 UNION ALL
                SELECT -1, id, package_id, size, status, is_counted FROM old_rows WHERE is_shown_file(status)) shown
         GROUP BY package_id
        HAVING sum(way) FILTER (WHERE is_counted) <> 0 OR sum(way * size) FILTER (WHERE is_counted) <> 0
            OR sum(way * id) FILTER (WHERE status = 'default') <> 0
    ), locked AS (
        SELECT p.id, c.files, c.bytes FROM package p JOIN changed c ON c.package_id = p.id ORDER BY p.id
           FOR NO KEY UPDATE OF p
    )
    UPDATE package p SET shown_files = p.shown_files + l.files, shown_bytes = p.shown_bytes + l.bytes,
                         file_changes = p.file_changes + 1
      FROM locked l WHERE p.id = l.id;
    RETURN NULL;
END
$$;
