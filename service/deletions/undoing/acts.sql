-- name: lock_deletion
SELECT deletion(d.*) FROM deletion d WHERE d.id = :id FOR UPDATE;

-- name: insert_acts!
INSERT INTO deletion_act (deletion_id, action, user_id, credential, request_id)
SELECT id, :action, :user_id, :credential, :request_id FROM unnest(:ids::uuid[]) AS acted (id);

-- name: hold_on_project
SELECT deletion_hold_on(:project_id) AS hold;
