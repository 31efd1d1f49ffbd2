-- name: is_known_name
-- Case does not count: a public registry may take Foo for foo.
SELECT EXISTS (SELECT FROM package_name n
                WHERE n.package_type = :package_type
                  AND lower(n.normal_name) IN (SELECT lower(normal_name(:package_type, w.name))
                                                 FROM unnest(:names::text[]) AS w(name))) AS is_known;
