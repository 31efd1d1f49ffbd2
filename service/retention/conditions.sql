-- name: later_packages
-- A part of other queries; its parameters are fragments (conditions.py). Counts the packages of the name of p that come
-- later than p. Only the window of rows is examined, and the count ends where it is enough. Conditions that the planner
-- cannot estimate are outside: it would read all rows of a name and sort them.
SELECT count(*) FROM (
    SELECT FROM (
        (SELECT o.id, o.created_at, o.package_type, o.type_number, o.conan_username, o.conan_channel, o.version_order,
                o.version_key
           FROM package o
          WHERE p.normal_name IS NULL AND o.project_id = p.project_id AND o.name = p.name
            AND o.status IN statuses(DISPLAYABLE) AND o.version IS NOT NULL
          ORDER BY :order LIMIT :window)
         UNION ALL
        (SELECT o.id, o.created_at, o.package_type, o.type_number, o.conan_username, o.conan_channel, o.version_order,
                o.version_key
           FROM package o
          WHERE p.normal_name IS NOT NULL AND o.project_id = p.project_id AND o.normal_name = p.normal_name
            AND o.status IN statuses(DISPLAYABLE) AND o.version IS NOT NULL
          ORDER BY :order LIMIT :window)) o
     WHERE o.type_number = p.type_number AND o.conan_username IS NOT DISTINCT FROM p.conan_username
       AND o.conan_channel IS NOT DISTINCT FROM p.conan_channel AND :later
     LIMIT :most) later;
